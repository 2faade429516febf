"""Robustness and transfer of an encoder."""
