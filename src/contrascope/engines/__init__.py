"""Clusters to work on: one that is there, or one of this machine alone."""
