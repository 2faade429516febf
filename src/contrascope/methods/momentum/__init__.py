"""Methods with a slowly moving target network."""
