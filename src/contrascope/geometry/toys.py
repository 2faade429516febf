"""Toys in which the answer is known: rotated points of light, and a Gaussian that rotations act on."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import grid_sample

from contrascope.errors import InputError
from contrascope.geometry.rank import rank_at
from contrascope.intervals import generator
from contrascope.linalg import singular_values


def rotated_points(
    angle_range: float, *, images: int = 500, side: int = 32, seed: int = 0
) -> Float[Tensor, "images pixels"]:
    """One image with a single white pixel at random, rotated by angles uniform in [0, `angle_range`] degrees.

    Bilinear rotation about the centre with black outside; the data of Figure 10 of Cosentino et al. 2022
    (arXiv:2205.06926, appendix E), where the interpolation is not named.

    >>> rotated_points(0.0, images=2, side=8).sum(dim=1).round().tolist()
    [1.0, 1.0]
    """
    if images < 2 or side < 2 or not (math.isfinite(angle_range) and angle_range >= 0):
        raise InputError(
            f"images={images}, side={side}, angle_range={angle_range}; expected at least 2 images of 2 pixels "
            "a side and a finite range of at least 0 degrees."
        )
    source = generator(seed, "rotated points")
    place = int(torch.randint(side * side, (1,), generator=source))
    image = torch.zeros(side * side, dtype=torch.float64)
    image[place] = 1.0
    angle = torch.rand(images, generator=source, dtype=torch.float64) * math.radians(angle_range)
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    grid = torch.stack((cos * right + sin * down, cos * down - sin * right), dim=3) * (2 / side)
    rotated = grid_sample(image.view(1, 1, side, side).expand(images, -1, -1, -1), grid, align_corners=False)
    return rotated.flatten(1)


def rotation_rank(
    angle_range: float,
    *,
    threshold: float,
    relative: bool = False,
    images: int = 500,
    side: int = 32,
    seed: int = 0,
) -> int:
    """Rank of the covariance of `rotated_points`, singular values of at least `threshold`: Figure 10.

    It grows with the range for small thresholds. An absolute one that is too high breaks the curve, as the trace
    is spread over more and more directions; the paper does not say which one it took.

    >>> rotation_rank(0.0, threshold=1e-6, images=20, side=8)
    0
    """
    rows = rotated_points(angle_range, images=images, side=side, seed=seed)
    values = singular_values(rows - rows.mean(dim=0)).square() / len(rows)
    return int(rank_at(values, threshold=threshold, relative=relative))


@dataclass(frozen=True, kw_only=True)
class GroupToy:
    """Gaussian features, rotations of some planes of known strength, and what every measurement must give."""

    h: Float64[Tensor, "n dim"]
    """Features before."""
    moved: Float64[Tensor, "n dim"]
    """Features after exp(eps G)."""
    strength: Float64[Tensor, " n"]
    """eps: normal with mean 0."""
    generator: Float64[Tensor, "dim dim"]
    """G: a block [[0, -1], [1, 0]] for each plane, the planes being the first coordinates."""
    moved_share: float
    """Limit of E|moved - h|^2 / (2 tr Cov): (1 - exp(-spread^2 / 2)) times `variance_share`."""
    variance_share: float
    """Variance along the operation's directions over the total, in the limit of many images."""
    free_rank: int
    """Largest rank of a projector whose kernel holds the generator: dim - 2 planes."""


def gaussian_group(
    *,
    images: int,
    dim: int,
    planes: int,
    spread: float = 1.0,
    inside: float = 1.0,
    outside: float = 1.0,
    seed: int = 0,
) -> GroupToy:
    """Gaussian features of which SO(2) turns the first `planes` coordinate planes, all by the same angle.

    Coordinates in the planes have standard deviation `inside`, the others `outside`; the angle is normal with
    standard deviation `spread`, so E cos eps = exp(-spread^2 / 2) and, as |(R - I) x|^2 = 2 (1 - cos eps) |x|^2,
    everything has a closed form. Ours.

    >>> toy = gaussian_group(images=4, dim=6, planes=1)
    >>> toy.free_rank, round(toy.variance_share, 4)
    (4, 0.3333)
    """
    if images < 1 or planes < 1 or 2 * planes > dim or min(inside, outside, spread) < 0 or inside == 0:
        raise InputError(
            f"images={images}, dim={dim}, planes={planes}, spread={spread}, inside={inside}, "
            f"outside={outside}; expected at least one image and plane, 2 planes <= dim, deviations above 0."
        )
    source = generator(seed, "gaussian group")
    deviation = torch.full((dim,), outside, dtype=torch.float64)
    deviation[: 2 * planes] = inside
    h = torch.randn(images, dim, generator=source, dtype=torch.float64) * deviation
    strength = torch.randn(images, generator=source, dtype=torch.float64) * spread
    matrix = torch.zeros(dim, dim, dtype=torch.float64)
    for first in range(0, 2 * planes, 2):
        matrix[first, first + 1], matrix[first + 1, first] = -1.0, 1.0
    cos, sin = strength.cos()[:, None], strength.sin()[:, None]
    moved = h + sin * (h @ matrix.T) + (1 - cos) * (h @ (matrix @ matrix).T)
    within, total = 2 * planes * inside**2, deviation.square().sum().item()
    return GroupToy(
        h=h,
        moved=moved,
        strength=strength,
        generator=matrix,
        moved_share=within * 2 * (1 - math.exp(-(spread**2) / 2)) / (2 * total),
        variance_share=within / total,
        free_rank=dim - 2 * planes,
    )
