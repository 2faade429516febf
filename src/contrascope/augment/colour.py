"""Colour arithmetic on RGB or gray images in [0, 1], one factor per image."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.machine.constants import constant
from contrascope.types import FloatImages

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2 as torchvision rounds it

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
    return (red * LUMA[0]).add_(green * LUMA[1]).add_(blue * LUMA[2])[:, None]


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


def adjust_brightness_(images: FloatImages, factor: Factors) -> FloatImages:
    """Pixels times the factor, clamped; in place.

    >>> adjust_brightness_(torch.full((1, 1, 1, 1), 0.25), torch.tensor([2.0])).item()
    0.5
    """
    return images.mul_(_per_image(factor)).clamp_(0, 1)


def adjust_contrast_(images: FloatImages, factor: Factors) -> FloatImages:
    """Blend with the image's mean gray, clamped, in place: factor 0 is that gray, 1 the image.

    >>> adjust_contrast_(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([0.5])).tolist()
    [[[[0.25, 0.75]]]]
    """
    return _blend_(images, image_mean(gray(images)), factor)


def adjust_saturation_(images: FloatImages, factor: Factors) -> FloatImages:
    """Blend with the image's own gray, clamped, in place: 0 is gray, 1 the image; gray passes through.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> adjust_saturation_(red, torch.tensor([0.0])).unique().item()
    0.2989...
    """
    return images if images.shape[1] == 1 else _blend_(images, gray(images), factor)


def adjust_hue_(images: FloatImages, shift: Factors) -> FloatImages:
    """Hue turned by `shift` of the full circle, in place; lightest and darkest channel keep their values.

    Every channel of an HSV colour is a clipped triangle wave of the hue between those two values, which
    spares the way through HSV. Gray images pass through.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> adjust_hue_(red, torch.tensor([1 / 3])).flatten().round().abs().tolist()
    [0.0, 1.0, 0.0]
    """
    if images.shape[1] == 1:
        return images
    low, minus_six_chroma, hue = _hue(images)
    offset = constant((0.0, 4 / 6, 2 / 6), device=images.device, dtype=images.dtype)
    torch.add(hue[:, None], (shift[:, None] + offset)[:, :, None, None], out=images)
    images.sub_(images.round()).abs_()  # distance, in turns, to where the channel peaks
    return images.sub_(1 / 3).clamp_(-1 / 6, 0).mul_(minus_six_chroma[:, None]).add_(low[:, None])


def _hue(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Darkest channel, -6 times its distance to the lightest, and hue in turns.

    Masks are floats 0 and 1, several times faster than `torch.where` on a CPU; `alpha` is a power of two
    only, so that a fused multiply-add rounds as its two steps do.
    """
    red, green, blue = images.unbind(1)
    low = torch.minimum(red, green)
    torch.minimum(low, blue, out=low)
    chroma = torch.maximum(red, green)
    torch.maximum(chroma, blue, out=chroma)
    not_red, not_green = (chroma - red).ne_(0), (chroma - green).ne_(0)
    chroma.sub_(low)
    from_red = green - blue
    from_green = (blue - red).add_(chroma, alpha=2)
    hue = (red - green).add_(chroma, alpha=4)  # as if blue were the lightest
    hue.sub_(from_green).mul_(not_green).add_(from_green)
    hue.sub_(from_red).mul_(not_red).add_(from_red)
    minus_six_chroma = chroma.mul_(-6)
    return low, minus_six_chroma, hue.div_(torch.clamp(minus_six_chroma, max=-1e-20, out=not_red)).neg_()


def blend(
    images: FloatImages, target: Float[Tensor, "#batch #channel #height #width"], factor: Factors
) -> FloatImages:
    """Blend with `target`, clamped, as a new tensor: factor 0 is the target, 1 the image.

    >>> blend(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), torch.tensor([0.25])).item()
    0.25
    """
    return _blend_(images.clone(), target, factor)


def _blend_(images: Tensor, target: Tensor, factor: Tensor) -> Tensor:
    factor = _per_image(factor)
    return images.mul_(factor).add_(target * (1 - factor)).clamp_(0, 1)


def _per_image(factor: Tensor) -> Tensor:
    return factor[:, None, None, None]
