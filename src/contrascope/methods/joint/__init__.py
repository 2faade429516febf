"""Methods of one network whose views meet in a loss."""
