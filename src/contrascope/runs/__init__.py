"""What a run is: settings, recipes, folder, build, load."""
