"""What is measured of the run of a cell, or of the images alone."""
