"""Plain shapes with anti-aliased edges, whose class, pose and colours are known exactly."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from contrascope.data.drawn.drawing import (
    Range,
    draw_common,
    factors_of_splits,
    in_chunks,
    object_coordinates,
    paint,
)
from contrascope.data.imageset import InMemoryImages
from contrascope.data.labels import with_columns
from contrascope.data.settings import DataSettings

SHAPES = ("cross", "disc", "half_disc", "pentagon", "ring", "square", "star", "triangle")
SIZE, TILT = Range(0.4, 0.8), Range(0, 360)
DEFAULT_COUNT = {"train": 8000, "test": 2000}
DEFAULT_SIDE = 32


def shape_factors(split: str, *, count: int | None, seed: int, background: float) -> dict[str, Tensor]:
    """Factors of the shapes of a split; image k is of class k modulo 8, so that classes are balanced.

    `size` is the diameter of the circle around the shape; the tilt of a disc or a ring cannot be seen, and
    that of the others only up to their symmetry.
    """
    total = count or DEFAULT_COUNT[split]
    factors = draw_common(total, seed=seed, split=split, size=SIZE, tilt=TILT, background=background)
    return factors | {"shape": torch.arange(total) % len(SHAPES)}


def draw_shapes(factors: Mapping[str, Tensor], size: int = DEFAULT_SIDE) -> UInt8[Tensor, "n 3 size size"]:
    """Images with these factors, `size` px a side; a pixel on an edge is mixed by its distance from the edge.

    >>> factors = shape_factors("train", count=8, seed=0, background=0.5)
    >>> tuple(draw_shapes(factors, 16).shape)
    (8, 3, 16, 16)
    """
    return in_chunks(factors, lambda some: paint(_cover(some, size), some))


def _cover(factors: Mapping[str, Tensor], size: int) -> Float[Tensor, "n size size"]:
    right, down = object_coordinates(factors, size).unbind(1)
    distance = torch.empty_like(right)
    for index, name in enumerate(SHAPES):
        members = factors["shape"] == index
        distance[members] = edge_distance(name, right[members], down[members])
    pixels = (factors["size"] / 2 * size)[:, None, None]
    return (0.5 - distance * pixels).clamp(0, 1)


def edge_distance(
    shape: str, right: Float[Tensor, "*points"], down: Float[Tensor, "*points"]
) -> Float[Tensor, "*points"]:
    """Signed distance to the nearest edge line, below 0 inside; the circle around the shape has radius 1.

    >>> edge_distance("disc", torch.tensor([0.0, 2.0]), torch.zeros(2)).tolist()
    [-1.0, 1.0]
    """
    radius, angle = torch.hypot(right, down), torch.atan2(down, right)
    wide, high = right.abs(), down.abs()
    match shape:
        case "disc":
            return radius - 1
        case "ring":
            return (radius - 0.75).abs() - 0.25
        case "half_disc":
            return torch.maximum(radius - 1, down)
        case "cross":
            arms = torch.maximum(wide, high) - 0.95, torch.minimum(wide, high) - 0.3
            return torch.maximum(*arms)
        case "star":
            return _star(radius, angle)
    return _polygon(radius, angle, {"triangle": 3, "square": 4, "pentagon": 5}[shape])


def _polygon(radius: Tensor, angle: Tensor, corners: int) -> Tensor:
    sector = 2 * math.pi / corners
    folded = torch.remainder(angle, sector) - sector / 2
    return radius * folded.cos() - math.cos(sector / 2)


def _star(radius: Tensor, angle: Tensor, inner: float = 0.4) -> Tensor:
    """Five tips on the circle, notches at the inner radius: the line from a notch to its tip, mirrored."""
    half = math.pi / 5
    folded = (torch.remainder(angle, 2 * half) - half).abs()
    tip = math.cos(half), math.sin(half)
    along, up = tip[0] - inner, tip[1]
    length = math.hypot(along, up)
    return ((radius * folded.cos() - inner) * up - radius * folded.sin() * along) / length


def open_shapes(settings: DataSettings, cache_dir: Path | None = None) -> InMemoryImages:
    """Shapes of 32 px (or `size`); `all` is train followed by test."""
    del cache_dir
    factors = factors_of_splits(shape_factors, settings, name="shapes")
    made = InMemoryImages(
        images=draw_shapes(factors, settings.size or DEFAULT_SIDE),
        labels={"shape": factors["shape"]},
        name=f"shapes [{settings.split}]",
        class_names={"shape": SHAPES},
        factors=factors,
    )
    return with_columns(made, settings.labels)
