"""Images that stand twice in a set, exactly or nearly: retrieval counts a copy as another image."""

import torch
from jaxtyping import Bool
from torch import Tensor

from contrascope.types import FloatImages

SIDE = 8
"""Side of the small pictures that are compared, px."""
SAME = 5e-3
"""Largest mean squared difference of two small pictures, over their mean variance, that are called copies."""


def near_copies(images: FloatImages, *, chunk_rows: int = 512) -> Bool[Tensor, " batch"]:
    """Whether another image is a copy: equal but for 0.5 % of the variance.

    Compared as pictures of 8 px, so that re-compression does not hide a copy; blank images are copies of each other.

    >>> near_copies(torch.tensor([0.1, 0.1, 0.9]).view(3, 1, 1, 1)).tolist()
    [True, True, False]
    """
    if len(images) < 2:
        return torch.zeros(len(images), dtype=torch.bool)
    small = torch.nn.functional.adaptive_avg_pool2d(images.float(), min(SIDE, *images.shape[2:]))
    rows = small.flatten(1).double()
    width = rows.var(dim=0, correction=0).mean() * rows.shape[1]
    if width <= 0:
        return torch.ones(len(images), dtype=torch.bool)
    parts = [_has_copy(rows, start, chunk_rows, SAME * width) for start in range(0, len(rows), chunk_rows)]
    return torch.cat(parts).cpu()


def _has_copy(rows: Tensor, start: int, chunk_rows: int, most: Tensor) -> Tensor:
    some = rows[start : start + chunk_rows]
    apart = torch.cdist(some, rows, compute_mode="donot_use_mm_for_euclid_dist").square()
    apart[:, start : start + len(some)].fill_diagonal_(torch.inf)
    return (apart <= most).any(dim=1)
