"""What a run is: settings, recipes, folder, store, build, load."""
