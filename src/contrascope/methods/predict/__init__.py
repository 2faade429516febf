"""Methods that predict one view from another."""
