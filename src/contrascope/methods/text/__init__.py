"""Methods that learn from sentences."""
