"""Bounds on downstream error, and what they say."""
