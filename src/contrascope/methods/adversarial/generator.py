"""From latents to images of any side."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.linalg import at_least_single
from contrascope.types import FloatImages


def _resized(
    maps: Float[Tensor, "batch width some others"], side: tuple[int, int]
) -> Float[Tensor, "batch width rows columns"]:
    """The nearest value for every place of a map of another side."""
    return maps if maps.shape[2:] == side else F.interpolate(maps, size=side, mode="nearest")


class ImageGenerator(nn.Module):
    """A linear map to a small grid, then for each width a map of twice the side and a convolution; pixels in [0, 1].

    Sides that do not halve evenly are rounded up, and the grid is resized to what the images asked for need.

    >>> network = ImageGenerator(widths=(8, 4), latents=5, channels=3, grid=2)
    >>> network(torch.zeros(2, 5), (8, 8)).shape, network(torch.zeros(2, 5), (11, 6)).shape
    (torch.Size([2, 3, 8, 8]), torch.Size([2, 3, 11, 6]))
    """

    def __init__(
        self, *, widths: tuple[int, ...], latents: int, channels: int, grid: int, batch_norm: bool = True
    ) -> None:
        super().__init__()
        self.grid = grid

        def norm(width: int) -> nn.Module:
            return nn.BatchNorm2d(width) if batch_norm else nn.Identity()

        self.start = nn.Linear(latents, widths[0] * grid * grid)
        self.norm = norm(widths[0])
        units = [
            nn.Sequential(nn.Conv2d(width, out, 3, padding=1, bias=not batch_norm), norm(out), nn.ReLU())
            for width, out in pairwise(widths)
        ]
        self.units = nn.ModuleList([*units, nn.Conv2d(widths[-1], channels, 3, padding=1)])

    def forward(self, z: Float[Tensor, "batch latents"], side: tuple[int, int]) -> FloatImages:
        maps = self.start(z).unflatten(1, (-1, self.grid, self.grid))
        halvings = len(self.units)
        maps = torch.relu(self.norm(_resized(maps, _halved(side, halvings))))
        for number, unit in enumerate(self.units, start=1):
            maps = unit(_resized(maps, _halved(side, halvings - number)))
        return at_least_single(maps).sigmoid()


def _halved(side: tuple[int, int], times: int) -> tuple[int, int]:
    """Rows and columns halved so many times, rounded up."""
    rows, columns = (-(-length // 2**times) for length in side)
    return rows, columns
