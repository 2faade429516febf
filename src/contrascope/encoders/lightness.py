"""The lightness of colours: sRGB to light and back, and images turned to gray without a change of lightness."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.types import FloatImages

LUMINANCE = (0.2126729, 0.7151522, 0.0721750)
"""Shares of red, green and blue light in the luminance Y (IEC 61966-2-1, white D65)."""
DARK, LINE = 0.04045, 12.92
"""The sRGB value up to which it is a line through 0, and by how much it is steeper than light."""


def light(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Linear light in [0, 1] of sRGB values in [0, 1] (IEC 61966-2-1).

    >>> light(torch.tensor([0.0, 0.5, 1.0])).mul(1000).round().tolist()
    [0.0, 214.0, 1000.0]
    """
    return torch.where(values <= DARK, values / LINE, ((values.clamp_min(DARK) + 0.055) / 1.055) ** 2.4)


def from_light(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Values of sRGB in [0, 1] of linear light in [0, 1]: the inverse of `light`.

    >>> from_light(light(torch.tensor([0.02, 0.5]))).mul(100).round().tolist()
    [2.0, 50.0]
    """
    dark = DARK / LINE
    return torch.where(values <= dark, values * LINE, 1.055 * values.clamp_min(dark) ** (1 / 2.4) - 0.055)


def lightness_alone(images: FloatImages) -> FloatImages:
    """Colour images as gray ones of three equal channels, with the lightness L of CIELAB that each pixel had.

    L is a function of the luminance alone, so it is the gray of the same luminance: not the mean of the values, and not
    the luma of `augment.colour.gray`, under which saturated colours become lighter or darker. Gray images stay as
    they are, but for rounding. Values are expected in [0, 1], three channels.

    >>> lightness_alone(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).mul(255).round().flatten().tolist()
    [127.0, 127.0, 127.0]
    """
    parts = light(images).split(1, dim=1)
    luminance = sum(share / sum(LUMINANCE) * part for share, part in zip(LUMINANCE, parts, strict=True))
    assert isinstance(luminance, Tensor)
    return from_light(luminance).expand(-1, 3, -1, -1)
