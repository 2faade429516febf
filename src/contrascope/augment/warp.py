"""Geometric operations that sample bilinearly with zeros outside: affine maps and elastic deformation."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from contrascope.augment.blur import gaussian, smooth
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
from contrascope.machine.constants import constant
from contrascope.settings import written_as
from contrascope.types import FloatImages


@written_as("Affine")
@dataclass(frozen=True, kw_only=True)
class Affine(AbstractOp):
    """Rotation, shear, translation and scaling about the image's centre.

    Semantics of torchvision's RandomAffine with bilinear interpolation.

    >>> op = Affine(degrees=30.0, p=1.0)
    >>> bool(op.draw(DrawKey(seed=0, epoch=0, ids=torch.arange(99)), (3, 8, 8))["angle"].abs().max() <= 30)
    True
    """

    degrees: float = 0.0
    """Rotation uniform in [-degrees, degrees]."""
    translate: float = 0.0
    """Shift along each axis uniform in [-translate, translate] of that side, rounded to whole pixels."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the magnification, uniform."""
    shear: float = 0.0
    """Shear parallel to the x axis, uniform in [-shear, shear] degrees."""
    p: float = 1.0
    """Probability."""

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_range("scale", self.scale, 1e-3, 1e3)
        if min(self.degrees, self.translate, self.shear) < 0 or self.shear >= 90:
            raise InputError(f"{self} has a negative amount or a shear of 90 degrees or more.")

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """`angle` and `shear` in degrees, `translate` [batch 2] in pixels (x, y), `scale`; `on`."""
        _, height, width = shape
        signed = 2 * uniform(key, 4, start=1) - 1
        reach = constant((width, height), dtype=torch.float32, device=signed.device) * self.translate
        low, high = self.scale
        return {
            "on": draw_switch(key, self.p),
            "angle": signed[:, 0] * self.degrees,
            "shear": signed[:, 1] * self.shear,
            "translate": (signed[:, 2:4] * reach).round(),
            "scale": low + (high - low) * uniform(key, 1, start=5)[:, 0],
        }

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        return on_chosen(images, params, _affine)


def _affine(images: Tensor, params: Params) -> Tensor:
    """Each output pixel looks up where the inverse map sends its centre."""
    height, width = images.shape[2:]
    angle = params["angle"].to(torch.float64) * (math.pi / 180)
    tangent = (params["shear"].to(torch.float64) * (math.pi / 180)).tan()
    cos, sin = angle.cos() / params["scale"], angle.sin() / params["scale"]
    rows = torch.stack((cos - sin * tangent, sin + cos * tangent, -sin, cos), 1)
    xx, xy, yx, yy = rows.to(torch.float32)[:, :, None, None].unbind(1)
    shift = params["translate"][:, :, None, None]
    x = torch.arange(width, dtype=torch.float32, device=images.device) - (width - 1) / 2 - shift[:, 0]
    y = (torch.arange(height, dtype=torch.float32, device=images.device) - (height - 1) / 2)[:, None] - shift[
        :, 1
    ]
    grid = torch.stack(((xx * x + xy * y) * (2 / width), (yx * x + yy * y) * (2 / height)), 3)
    return grid_sample(images, grid, align_corners=False)


@written_as("Elastic")
@dataclass(frozen=True, kw_only=True)
class Elastic(AbstractOp):
    """Pixels displaced by smoothed uniform noise (Simard et al. 2003).

    Semantics of torchvision's ElasticTransform.

    >>> op = Elastic(alpha=0.0, p=1.0)
    >>> images = torch.rand(1, 1, 4, 4)
    >>> params = op.draw(DrawKey(seed=0, epoch=0, ids=torch.arange(1)), (1, 4, 4))
    >>> torch.allclose(op.apply(images, params), images, atol=1e-6)
    True
    """

    alpha: float = 50.0
    """Noise in [-1, 1] times alpha / 2 is the displacement in pixels before smoothing."""
    sigma: float = 5.0
    """Standard deviation of the smoothing in pixels."""
    p: float = 0.5
    """Probability."""

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_range("sigma", (self.sigma, self.sigma), 1e-3, 1e3)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """`displacement` [batch height width 2] (x, y), where 2 is the width or height of the image; `on`."""
        _, height, width = shape
        noise = 2 * uniform(key, 2 * height * width, start=1).view(-1, 2, height, width) - 1
        sigma = torch.full((1,), self.sigma, dtype=torch.float32, device=noise.device)
        smoothed = smooth(noise, gaussian(sigma, int(8 * self.sigma + 1) // 2))
        sides = constant((width, height), dtype=torch.float32, device=noise.device)
        moved = smoothed.permute(0, 2, 3, 1).contiguous() * (self.alpha / sides)
        return {"on": draw_switch(key, self.p), "displacement": moved}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        return on_chosen(images, params, lambda chosen, p: _displace(chosen, p["displacement"]))


def _displace(images: Tensor, displacement: Float[Tensor, "batch height width 2"]) -> Tensor:
    height, width = images.shape[2:]
    x = (2 * torch.arange(width, dtype=torch.float32, device=images.device) + 1) / width - 1
    y = (2 * torch.arange(height, dtype=torch.float32, device=images.device) + 1) / height - 1
    identity = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2)
    return grid_sample(images, identity + displacement, align_corners=False)
