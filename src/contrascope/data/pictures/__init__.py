"""One stored picture: which formats are read, within which limits, and how its numbers become bytes."""
