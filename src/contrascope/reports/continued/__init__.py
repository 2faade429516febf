"""What the page says of a run that started from trained weights."""
