"""Thumbnails, map and curves of a run, for its page."""
