"""Colour shifts: an augmentation of any images whose augmented distance is known in closed form."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator


def shift_distance(images: Float[Tensor, "n channel pixels"], *, reach: float) -> Float[Tensor, "n n"]:
    """Exact d_A where a view adds a number in [-reach, reach] to each channel: float64, in the images' unit.

    The difference of two views can be any shift in [-2 reach, 2 reach] per channel. So a channel contributes the
    squared norm of the difference without its mean, and pixels times the square of what is left of the mean's
    difference beyond 2 reach.

    >>> shift_distance(torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]]), reach=0.25).tolist()
    [[0.0, 0.70...], [0.70..., 0.0]]
    """
    if not reach >= 0:
        raise InputError(f"reach={reach}; expected a number of 0 or more.")
    rows = images.double()
    mean = rows.mean(dim=2)
    flat = (rows - mean[..., None]).flatten(1)
    shape = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    beyond = ((mean[:, None] - mean).abs() - 2 * reach).clamp_min(0)
    return (shape.square() + images.shape[2] * beyond.square().sum(dim=2)).sqrt()


def shift_views(
    images: Float[Tensor, "n channel pixels"], *, reach: float, num_views: int, seed: int = 0
) -> Float[Tensor, "views n dim"]:
    """Flattened views of that augmentation, shifts uniform; view 0 is the image; views of a smaller number come first.

    >>> shift_views(torch.zeros(2, 3, 4), reach=0.1, num_views=5).shape
    torch.Size([5, 2, 12])
    """
    if num_views < 1:
        raise InputError(f"num_views={num_views}; expected at least 1.")
    views = [images.flatten(1)]
    for number in range(1, num_views):
        source = generator(seed, "shift_views", number)
        shift = (2 * torch.rand(*images.shape[:2], 1, generator=source) - 1) * reach
        views.append((images + shift.to(images)).flatten(1))
    return torch.stack(views)
