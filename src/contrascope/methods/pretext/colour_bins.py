"""Colours as CIELAB, cut into bins: the targets of colourisation and what each bin weighs."""

import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.encoders.lightness import LUMINANCE, light
from contrascope.errors import InputError
from contrascope.machine.constants import constant
from contrascope.types import FloatImages

_XYZ = ((0.4124564, 0.3575761, 0.1804375), LUMINANCE, (0.0193339, 0.1191920, 0.9503041))
"""sRGB light to CIE XYZ (IEC 61966-2-1); the rows' sums are the white D65."""
_BEND = 6 / 29
LEVELS = 256
"""Values of a channel that are tried on each face of the colour cube."""


def lab(images: FloatImages) -> Float[Tensor, "batch 3 height width"]:
    """CIELAB of sRGB images in [0, 1], white D65: L in [0, 100], a and b within about 110 of 0, 0 and 0 for gray.

    >>> [round(v, 2) for v in lab(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).flatten().tolist()]
    [53.24, 80.09, 67.2]
    """
    to_xyz = constant(_XYZ, dtype=images.dtype, device=images.device)
    to_xyz = to_xyz / to_xyz.sum(1, keepdim=True)
    values = torch.einsum("xc,bchw->bxhw", to_xyz, light(images))
    line = values / (3 * _BEND**2) + 4 / 29
    x, y, z = torch.where(values > _BEND**3, values.clamp_min(_BEND**3) ** (1 / 3), line).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


@functools.cache
def _reached(grid: float) -> tuple[tuple[float, float], ...]:
    steps = torch.arange(LEVELS, dtype=torch.float64) / (LEVELS - 1)
    one, other = (part.flatten() for part in torch.meshgrid(steps, steps, indexing="ij"))
    found = set()
    for place in range(3):
        for end in (0.0, 1.0):
            channels = [one, other]
            channels.insert(place, torch.full_like(one, end))
            ab = lab(torch.stack(channels)[None, :, :, None])[0, 1:, :, 0]
            places = (ab / grid).round().int()
            codes = (places[0] * LEVELS + places[1]).unique()
            rows = torch.div(codes + LEVELS // 2, LEVELS, rounding_mode="floor")
            found |= set(zip(rows.tolist(), (codes - rows * LEVELS).tolist(), strict=True))
    return tuple((a * grid, b * grid) for a, b in sorted(found))


def colour_bins(grid: float) -> Float[Tensor, "bins 2"]:
    """Centres (a, b), multiples of `grid`, of the bins that any sRGB colour falls into, in rising order.

    A line of equal a and b through a colour leaves the colour cube somewhere, so its faces have all of them:
    261 at a grid of 10 (Zhang et al. 2016, arXiv:1603.08511, keep 313), 77 at 20.

    >>> len(colour_bins(20.0))
    77
    """
    return torch.tensor(_reached(grid), dtype=torch.float32)


def soft_bins(
    ab: Float[Tensor, "cells 2"], bins: Float[Tensor, "bins 2"], *, neighbours: int, sigma: float
) -> tuple[Int[Tensor, "cells near"], Float[Tensor, "cells near"]]:
    """The nearest bins of each colour, the nearest first, and their shares: a normal density of the distance.

    Shares of a colour sum to 1 (Zhang et al. 2016, section 2.2). Of equally far bins the device chooses.

    >>> bins = torch.tensor([[0.0, 0.0], [10.0, 0.0], [-10.0, 0.0], [0.0, 10.0], [0.0, -10.0]])
    >>> soft_bins(torch.zeros(1, 2), bins, neighbours=5, sigma=5.0)[1][0, :2]
    tensor([0.6488, 0.0878])
    """
    if not 1 <= neighbours <= len(bins):
        raise InputError(
            f"neighbours is {neighbours}; expected 1 to {len(bins)}, the bins of this grid. Lower it, or the grid."
        )
    square = (ab[:, None] - bins.to(ab)).square().sum(-1)
    near, index = square.topk(neighbours, dim=1, largest=False, sorted=True)
    return index, (-near / (2 * sigma**2)).softmax(dim=1)


def bin_weights(counts: Int[Tensor, " bins"], *, uniform: float) -> Float[Tensor, " bins"]:
    """What a colour of each bin weighs: 1 / ((1 - uniform) p + uniform / bins), scaled so that the mean weight is 1.

    p are the bins' shares of the colours counted so far; none counted: all weigh 1. In float64. Zhang et al. 2016,
    eq. 4.

    >>> bin_weights(torch.tensor([3, 1]), uniform=0.5)
    tensor([0.8571, 1.4286], dtype=torch.float64)
    """
    bins = len(counts)
    p = counts.to(torch.float64) / counts.sum().clamp_min(1)
    p = torch.where(counts.sum() > 0, p, torch.full_like(p, 1 / bins))
    weights = 1 / ((1 - uniform) * p + uniform / bins)
    return weights / (p * weights).sum()
