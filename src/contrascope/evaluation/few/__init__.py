"""What a few labels say: better than random weights and raw pixels, or not yet known."""
