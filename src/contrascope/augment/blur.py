"""Operation (b): Gaussian blur."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.augment.op import (
    AbstractOp,
    Params,
    Shape,
    check_probability,
    check_range,
    draw_switch,
    on_chosen,
)
from contrascope.draws import DrawKey, uniform
from contrascope.errors import InputError
from contrascope.settings import written_as
from contrascope.types import FloatImages


@written_as("GaussianBlur")
@dataclass(frozen=True, kw_only=True)
class GaussianBlur(AbstractOp):
    """Convolution with a Gaussian cut off at the kernel's edge, images reflected at the border.

    >>> op = GaussianBlur(kernel_size=3, sigma=(1.0, 1.0))
    >>> spot = torch.zeros(1, 1, 5, 5).index_fill(2, torch.tensor(2), 1.0)
    >>> op.apply(spot, {"on": torch.tensor([True]), "sigma": torch.ones(1)})[0, 0, 1:4, 0].sum().item()
    1.0
    """

    kernel_size: int | None = None
    """Width of the kernel in pixels, odd; None: a tenth of the image's shorter side made odd, at least 3."""
    sigma: tuple[float, float] = (0.1, 2.0)
    """Range of the standard deviation in pixels, uniform."""
    p: float = 0.5
    """Probability."""

    commutes_with_flip: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_range("sigma", self.sigma, 1e-3, 1e3)
        if self.kernel_size is not None and (self.kernel_size < 1 or self.kernel_size % 2 == 0):
            raise InputError(f"kernel_size is {self.kernel_size}; expected an odd number of pixels, or None.")

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """`sigma` in pixels; `on`."""
        low, high = self.sigma
        return {"on": draw_switch(key, self.p), "sigma": low + (high - low) * uniform(key, 1, start=1)[:, 0]}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        size = self.kernel_size or max(3, min(images.shape[2:]) // 10 | 1)
        return on_chosen(images, params, lambda chosen, p: smooth(chosen, gaussian(p["sigma"], size // 2)))


def gaussian(sigma: Float[Tensor, " batch"], reach: int) -> Float[Tensor, "batch weight"]:
    """The weights of distances 0 to `reach`; the full symmetric kernel adds up to 1."""
    distance = torch.arange(reach + 1, device=sigma.device)
    weight = (-0.5 * (distance / sigma.to(torch.float64)[:, None]) ** 2).exp()
    return (weight / (2 * weight.sum(1, keepdim=True) - weight[:, :1])).to(torch.float32)


def smooth(images: FloatImages, weights: Float[Tensor, "#batch weight"]) -> FloatImages:
    """Symmetric separable filter; `weights[:, k]` belongs to the pixels at distance k.

    Sums of shifted images in a fixed order: the bits do not depend on the batch;
    those of a convolution may.
    """
    for axis in (2, 3):
        images = _smooth_axis(images, weights[:, :, None, None, None], axis)
    return images


def _smooth_axis(images: Tensor, weights: Tensor, axis: int) -> Tensor:
    size, reach = images.shape[axis], weights.shape[1] - 1
    place = torch.arange(-reach, size + reach, device=images.device)
    place = place.remainder(max(2 * size - 2, 1))
    padded = images.index_select(axis, torch.minimum(place, 2 * size - 2 - place) if size > 1 else place * 0)
    out = images * weights[:, 0]
    for k in range(1, reach + 1):
        pair = padded.narrow(axis, reach - k, size) + padded.narrow(axis, reach + k, size)
        out.add_(pair.mul_(weights[:, k]))
    return out
