"""Colour arithmetic on RGB or gray images in [0, 1], one factor per image."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.types import FloatImages

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2 as torchvision rounds it

Factors = Float[Tensor, " batch"]
"""One number per image."""


def gray(images: FloatImages) -> Float[Tensor, "batch 1 height width"]:
    """Luma of RGB images, in [0, 1); gray images are returned as they are.

    >>> gray(torch.ones(1, 3, 1, 1)).item()
    0.9999...
    """
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    return (red * _LUMA[0]).add_(green * _LUMA[1]).add_(blue * _LUMA[2])[:, None]


def image_mean(images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 1 1"]:
    """Mean over the pixels of each image by halving.

    The order of additions depends on the number of pixels alone, so the bits depend neither on the batch nor
    on the device, which `torch.mean` does not promise.

    >>> image_mean(torch.arange(6.0).view(1, 1, 2, 3)).item()
    2.5
    """
    total = images.flatten(1)
    count = total.shape[1]
    while total.shape[1] > 1:
        half = total.shape[1] // 2
        rest = total[:, 2 * half :]
        total = total[:, :half] + total[:, half : 2 * half]
        if rest.shape[1]:
            total[:, :1] += rest
    return (total / count)[:, :, None, None]


def adjust_brightness(images: FloatImages, factor: Factors) -> FloatImages:
    """Pixels times the factor, clamped.

    >>> adjust_brightness(torch.full((1, 1, 1, 1), 0.25), torch.tensor([2.0])).item()
    0.5
    """
    return (images * _per_image(factor)).clamp_(0, 1)


def adjust_contrast(images: FloatImages, factor: Factors) -> FloatImages:
    """Blend with the image's mean gray, clamped: factor 0 is that gray, 1 the image.

    >>> adjust_contrast(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([0.5])).tolist()
    [[[[0.25, 0.75]]]]
    """
    return _blend(images, image_mean(gray(images)), factor)


def adjust_saturation(images: FloatImages, factor: Factors) -> FloatImages:
    """Blend with the image's own gray, clamped: factor 0 is gray, 1 the image; gray images pass through.

    >>> adjust_saturation(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), torch.tensor([0.0])).unique().item()
    0.2989...
    """
    return images if images.shape[1] == 1 else _blend(images, gray(images), factor)


def adjust_hue(images: FloatImages, shift: Factors) -> FloatImages:
    """Hue turned by `shift` of the full circle; lightest and darkest channel keep their values.

    Every channel of an HSV colour is a clipped triangle wave of the hue between those two values, which spares
    the way through HSV. Gray images pass through.

    >>> adjust_hue(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), torch.tensor([1 / 3])).flatten().round().tolist()
    [0.0, 1.0, 0.0]
    """
    if images.shape[1] == 1:
        return images
    low, chroma, hue = _hue(images)
    offset = torch.tensor((0.0, 4 / 6, 2 / 6), device=images.device, dtype=images.dtype)
    wave = hue[:, None] + (shift[:, None] + offset)[:, :, None, None]
    wave.sub_(wave.floor()).mul_(6).sub_(3).abs_().sub_(1).clamp_(0, 1)
    return wave.mul_(chroma[:, None]).add_(low[:, None])


def _hue(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Darkest channel, distance to the lightest, and hue in turns; masks are floats 0 and 1."""
    red, green, blue = images.unbind(1)
    low = torch.minimum(red, green)
    low = torch.minimum(low, blue, out=low)
    high = torch.maximum(red, green)
    high = torch.maximum(high, blue, out=high)
    chroma = high - low
    not_red, not_green = (high - red).ne_(0), (high - green).ne_(0)
    from_red = green - blue
    from_green = (blue - red).add_(chroma * 2)
    from_blue = (red - green).add_(chroma * 4)
    other = from_blue.sub_(from_green).mul_(not_green).add_(from_green)
    hue = other.sub_(from_red).mul_(not_red).add_(from_red)
    return low, chroma, hue.div_((chroma * 6).clamp_(min=1e-20))


def _blend(images: Tensor, target: Tensor, factor: Tensor) -> Tensor:
    factor = _per_image(factor)
    return (images * factor).add_(target * (1 - factor)).clamp_(0, 1)


def _per_image(factor: Tensor) -> Tensor:
    return factor[:, None, None, None]
