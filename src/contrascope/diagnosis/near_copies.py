"""Images that stand twice in a set, exactly or nearly: retrieval counts a copy as another image."""

import torch
from torch import Tensor

from contrascope.types import FloatImages

SIDE = 8
"""Side of the small pictures that are compared, px."""
SAME = 1e-3
"""Largest mean squared difference of two small pictures, over their mean variance, that are called copies."""


def near_copies(images: FloatImages, *, chunk_rows: int = 512) -> float:
    """Share of images that have a copy among the others, in [0, 1]: equal but for a thousandth of their variance.

    Compared as pictures of 8 px, so that re-compression does not hide a copy; blank images are copies of each other.

    >>> near_copies(torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 8, 8))
    0.0
    """
    if len(images) < 2:
        return 0.0
    small = torch.nn.functional.adaptive_avg_pool2d(images.float(), min(SIDE, *images.shape[2:]))
    rows = small.flatten(1).double()
    width = rows.var(dim=0, correction=0).mean() * rows.shape[1]
    if width <= 0:
        return 1.0
    found = torch.cat(
        [_has_copy(rows, start, chunk_rows, SAME * width) for start in range(0, len(rows), chunk_rows)]
    )
    return float(found.double().mean())


def _has_copy(rows: Tensor, start: int, chunk_rows: int, most: Tensor) -> Tensor:
    some = rows[start : start + chunk_rows]
    apart = torch.cdist(some, rows, compute_mode="donot_use_mm_for_euclid_dist").square()
    apart[:, start : start + len(some)].fill_diagonal_(torch.inf)
    return (apart <= most).any(dim=1)
