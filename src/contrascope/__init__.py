"""Train self-supervised image encoders, and know, without labels, whether they work."""

__version__ = "0.1.0"
