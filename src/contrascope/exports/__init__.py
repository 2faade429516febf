"""What leaves the package: tables of images and weights of encoders, in forms that other tools open."""
