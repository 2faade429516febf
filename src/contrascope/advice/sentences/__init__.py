"""Which views for these sentences: how many words to delete, and how long a span to keep."""
