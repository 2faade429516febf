"""Images that stand twice in a set, exactly or nearly: retrieval counts a copy as another image."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contrascope.intervals import Estimate, count_in_half, images_worth, random_halves, share_estimate
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
    return torch.cat([copies.any(dim=1) for copies in _copies(images, chunk_rows)]).cpu()


def copied_share(images: FloatImages, *, draws: int = 0, chunk_rows: int = 512) -> Estimate:
    """Share of images of which another is a copy, with its 95 % interval; with `draws` of 0 a point.

    Copies come at least in twos: the interval counts them among random halves of the images.

    >>> copied_share(torch.tensor([0.1, 0.1, 0.9, 0.5]).view(4, 1, 1, 1)).value
    0.5
    """
    copies = torch.cat(list(_copies(images, chunk_rows))).cpu()
    half, worth = random_halves(len(copies)), None
    if draws:
        worth = images_worth((count_in_half(copies, half) > 0).double(), half)
    return share_estimate(copies.any(dim=1).double(), draws=draws, images=worth)


def small_rows(images: FloatImages) -> Float[Tensor, "batch dim"]:
    """Pictures of 8 px, or of their own side below that, as rows: what copies are compared by; any scale of pixels.

    >>> small_rows(torch.ones(2, 3, 16, 24)).shape
    torch.Size([2, 192])
    """
    small = torch.nn.functional.adaptive_avg_pool2d(images.float(), min(SIDE, *images.shape[2:]))
    return small.flatten(1)


def farthest_copy(rows: Float[Tensor, "n dim"]) -> float:
    """Largest squared distance between two `small_rows` that are called copies; 0 where all are alike."""
    return SAME * rows.double().var(dim=0, correction=0).mean().item() * rows.shape[1] if len(rows) else 0.0


def _copies(images: Tensor, chunk_rows: int) -> Iterator[Tensor]:
    """Which images are copies of which others [rows n], in blocks of rows."""
    rows = small_rows(images).double()
    most = farthest_copy(rows)
    for start in range(0, max(1, len(rows)), chunk_rows):
        some = rows[start : start + chunk_rows]
        if most > 0:
            near = torch.cdist(some, rows, compute_mode="donot_use_mm_for_euclid_dist").square() <= most
        else:
            near = torch.ones(len(some), len(rows), dtype=torch.bool, device=rows.device)
        near[:, start : start + len(some)].fill_diagonal_(False)
        yield near
