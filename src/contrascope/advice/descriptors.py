"""Plain descriptions of images in which neighbours are sought: pixels, shape and colour."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from contrascope.augment.colour import gray
from contrascope.linalg import squared_distances
from contrascope.types import FloatImages

PIXEL_SIDE = 16
"""Side to which pixels are averaged."""
CELLS, TURNS = 4, 8
"""Cells along a side and directions in each, of the shape."""
HUES = 24
"""Hues of the colour histogram."""
FAINT = 0.02
"""Mean chroma, in [0, 1], below which a colour histogram fades out."""

Described = dict[str, Tensor]
"""Name of the description -> rows [batch dim]."""


def describe(images: FloatImages) -> Described:
    """Rows [batch dim] of three descriptions; of gray images (one channel) two.

    `pixels`: averaged to at most 16 px a side. `shape`: histograms of gradient directions in 4 x 4 cells, square root
    of shares; light and contrast drop out. `colour`: histogram of the hues of these averaged pixels, weighted by
    chroma, likewise; where it lies in the image drops out, and an image without colour is a zero row.

    >>> {name: rows.shape[1] for name, rows in describe(torch.rand(2, 3, 8, 8)).items()}
    {'pixels': 192, 'shape': 128, 'colour': 24}
    """
    averaged = _averaged(images)
    found = {"pixels": averaged.flatten(1), "shape": _shape(images)}
    if images.shape[1] == 3:
        found["colour"] = _colour(averaged)
    return found


def chroma_plane(images: FloatImages) -> tuple[Tensor, Tensor]:
    """Two opponent coordinates [batch height width]: chroma is their length, hue their angle (0 is red).

    >>> a, b = chroma_plane(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
    >>> a.item(), b.item()
    (1.0, 0.0)
    """
    red, green, blue = images.unbind(1)
    return red - (green + blue) / 2, (green - blue) * (math.sqrt(3) / 2)


def distances_without_self(
    views: Float[Tensor, "views n dim"], bank: Float[Tensor, "n dim"], *, own: bool = False
) -> Float[Tensor, "views n n"]:
    """Squared distances of every view to the clean images; to its own image infinite unless `own`.

    >>> distances_without_self(torch.zeros(1, 2, 1), torch.tensor([[1.0], [2.0]])).tolist()
    [[[inf, 4.0], [1.0, inf]]]
    """
    count = len(bank)
    between = squared_distances(views.flatten(0, 1), bank).view(len(views), count, count)
    if not own:
        between = between + torch.diag(torch.full((count,), math.inf, dtype=torch.float32))
    return between


def _averaged(images: Tensor) -> Tensor:
    height, width = (min(side, PIXEL_SIDE) for side in images.shape[2:])
    return functional.adaptive_avg_pool2d(images, (height, width))


def _shape(images: Tensor) -> Tensor:
    light = gray(images) if images.shape[1] in (1, 3) else images.mean(dim=1, keepdim=True)
    padded = functional.pad(light, (1, 1, 1, 1), mode="replicate")
    across = padded[:, 0, 1:-1, 2:] - padded[:, 0, 1:-1, :-2]
    down = padded[:, 0, 2:, 1:-1] - padded[:, 0, :-2, 1:-1]
    maps = binned(torch.atan2(down, across), torch.hypot(across, down), TURNS)
    cells = functional.adaptive_avg_pool2d(maps, CELLS).flatten(1)
    return (cells / (cells.sum(dim=1, keepdim=True) + 1e-3)).sqrt()


def _colour(images: Tensor) -> Tensor:
    a, b = chroma_plane(images)
    histogram = binned(torch.atan2(b, a), torch.hypot(a, b), HUES).mean(dim=(2, 3))
    return (histogram / (histogram.sum(dim=1, keepdim=True) + FAINT)).sqrt()


def binned(angle: Tensor, weight: Tensor, bins: int) -> Tensor:
    """Maps [batch bins height width] of angles in radians: each weight is shared by the two bins next to its angle."""
    place = (angle / (2 * math.pi)).remainder(1.0) * bins
    centres = torch.arange(bins, device=angle.device)[:, None, None]
    apart = (place[:, None] - centres).abs()
    apart = torch.minimum(apart, bins - apart)
    return (1 - apart).clamp_min(0) * weight[:, None]
