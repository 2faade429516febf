"""Alignment, divergence, uniformity, spectra: tensors to numbers."""
