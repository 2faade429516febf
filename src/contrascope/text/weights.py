"""What tokens weigh in a mean by how often they come; without scipy, which counts of texts need."""

import numpy as np

SIF_A = 1e-3
"""Weight of a word of frequency p is a / (a + p) (Arora et al. 2017, ICLR, section 3)."""


def sif_weights(total: np.ndarray) -> np.ndarray:
    """What each id weighs in a mean by how often it comes in a corpus: a / (a + p), a = 0.001; 1 where it never does.

    >>> sif_weights(np.array([999, 1, 0])).round(3).tolist()
    [0.001, 0.5, 1.0]
    """
    return SIF_A / (SIF_A + total / max(total.sum(), 1))
