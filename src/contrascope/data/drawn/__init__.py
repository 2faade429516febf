"""Sets that are drawn or scanned here: they need no file and no network."""
