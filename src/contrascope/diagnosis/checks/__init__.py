"""What makes a representation unsound, check by check."""
