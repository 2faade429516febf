"""Raw pixels as a representation that costs nothing."""

from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

SIDE = 8
"""In px: larger ones differ more by where things are than by what they are."""


def small_pixels(
    images: UInt8[Tensor, "n channel height width"] | Float[Tensor, "n channel height width"],
) -> Float[Tensor, "n dim"]:
    """The pixels of the images brought to 8 x 8, in [0, 1], flattened; bytes are divided by 255.

    >>> import torch
    >>> small_pixels(torch.full((2, 3, 16, 16), 255, dtype=torch.uint8)).shape
    torch.Size([2, 192])
    """
    whole = images if images.is_floating_point() else images.float() / 255
    return functional.interpolate(whole, (SIDE, SIDE), mode="bilinear", antialias=True).flatten(1)
