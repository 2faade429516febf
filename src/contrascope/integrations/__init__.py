"""Our methods and measurements in other people's trainers."""
