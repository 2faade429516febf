"""Corruptions at five severities in the manner of CIFAR-10-C, generated and never downloaded."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.augment.blur import gaussian, smooth
from contrascope.augment.jpeg import jpeg
from contrascope.augment.op import AbstractOp, Params, Shape
from contrascope.augment.severities import SEVERITIES
from contrascope.draws import DrawKey, normal
from contrascope.errors import InputError, did_you_mean
from contrascope.settings import written_as
from contrascope.types import FloatImages

_SIDE = 32


@written_as("Corruption")
@dataclass(frozen=True, kw_only=True)
class Corruption(AbstractOp):
    """One corruption at one severity: the same picture for the same image id, seed and epoch, in bytes / 255.

    Where the authors' code differs: they cut fractions of a byte off and we round; their blur repeats the
    border's pixels and ours mirrors them; they know one side only, 32, and blur here grows with the side.

    >>> Corruption(name="brightness", severity=1).apply(torch.zeros(1, 1, 1, 1), {}).item()
    0.0509...
    """

    name: str
    """noise, blur, brightness, contrast, pixelate or jpeg."""
    severity: int
    """From 1, hardly seen, to 5."""

    def __post_init__(self) -> None:
        if self.name not in SEVERITIES:
            raise InputError(f"no corruption {self.name!r}. {did_you_mean(self.name, SEVERITIES)}")
        if self.severity not in range(1, 6):
            raise InputError(f"severity is {self.severity}; expected 1, 2, 3, 4 or 5.")

    @property
    def level(self) -> float:
        """The corruption's own number at this severity."""
        return SEVERITIES[self.name][self.severity - 1]

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """`on`, always true; for noise also `noise` [batch channel height width], standard normal."""
        on = torch.ones(len(key.ids), dtype=torch.bool, device=key.ids.device)
        if self.name != "noise":
            return {"on": on}
        channels, height, width = shape
        noise = normal(key, channels * height * width).view(-1, channels, height, width)
        return {"on": on, "noise": noise}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        if self.name == "noise":
            changed = images + self.level * params["noise"]
        elif self.name == "blur":
            changed = _blur(images, self.level)
        elif self.name == "brightness":
            changed = _brighten(images, self.level)
        elif self.name == "contrast":
            mean = images.double().mean(dim=(2, 3), keepdim=True).to(images.dtype)
            changed = (images - mean) * self.level + mean
        elif self.name == "pixelate":
            return pixelate(images, share=self.level)
        else:
            return jpeg(images, quality=int(self.level))
        return _to_bytes(changed)


def pixelate(images: FloatImages, *, share: float) -> FloatImages:
    """Each side made smaller to `share` of its pixels and back by Pillow's BOX filter, rounded to bytes.

    >>> pixelate(torch.tensor([[[[0.0, 0.2, 0.4, 1.0]]]]), share=0.5).tolist()
    [[[[0.1..., 0.1..., 0.7..., 0.7...]]]]
    """
    if not 0 < share <= 1:
        raise InputError(f"share is {share}; expected a part of the side above 0 and at most 1.")
    out = _bytes(images.double() * 255)
    for axis in (3, 2):
        side = images.shape[axis]
        small = max(1, int(side * share))
        for cells in (_boxes(side, small, out.device), _boxes(small, side, out.device)):
            mixed = torch.movedim(out, axis, -1) @ cells.T
            out = _bytes(torch.movedim(mixed, -1, axis))
    return out.div(255).to(images.dtype)


def _boxes(before: int, after: int, device: torch.device) -> Float[Tensor, "after before"]:
    """The mean of the pixels whose centres lie in each cell, in Pillow's order of float64 operations.

    A centre on the edge of two cells belongs to the left one, but for what rounding makes of it: some such
    pixels count in both cells or in none, and so they do here.
    """
    scale = before / after
    width = max(scale, 1.0)
    centre = (torch.arange(after, dtype=torch.float64, device=device)[:, None] + 0.5) * scale
    pixel = torch.arange(before, dtype=torch.float64, device=device)
    first, end = (centre - 0.5 * width + 0.5).trunc(), (centre + 0.5 * width + 0.5).trunc()
    offset = (pixel - centre + 0.5) * (1 / width)
    cells = ((pixel >= first) & (pixel < end) & (offset > -0.5) & (offset <= 0.5)).double()
    return cells / cells.sum(dim=1, keepdim=True)


def _blur(images: Tensor, level: float) -> Tensor:
    sigma = level * min(images.shape[2:]) / _SIDE
    weights = gaussian(
        torch.full((1,), sigma, dtype=torch.float64, device=images.device), round(4 * sigma) or 1
    )
    return smooth(images, weights)


def _brighten(images: Tensor, amount: float) -> Tensor:
    """The HSV value, the largest channel, rises by `amount` up to 1; hue and saturation stay."""
    value = images.amax(dim=1, keepdim=True)
    lifted = (value + amount).clamp_max(1)
    return torch.where(value > 0, images * (lifted / value.clamp_min(1e-12)), lifted)


def _to_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] at the nearest whole byte."""
    return _bytes(images.double() * 255).div(255).to(images.dtype)


def _bytes(values: Tensor) -> Tensor:
    """Whole numbers from 0 to 255, halves up, and what is a half but for the order of a sum as well."""
    return (values + 0.5 + 1e-6).floor().clamp(0, 255)
