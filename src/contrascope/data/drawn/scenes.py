"""Real digit scans drawn into colour scenes whose every factor is known."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from contrascope.data.drawn.digits import DIGIT_NAMES, digit_scans
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

SIZE, TILT = Range(0.4, 0.8), Range(-30, 30)
SCENES_PER_SCAN = 8
"""Scenes that each scan appears in, unless `count` says how many there are in all."""

DEFAULT_SIDE = 32


def scene_factors(split: str, *, count: int | None, seed: int, background: float) -> dict[str, Tensor]:
    """Factors of the scenes of a split; scene k shows scan k modulo the number of scans of that split.

    No scan of `train` appears in `test`. `scan` is the row in scikit-learn's order.
    """
    rows = digit_scans(split).rows
    total = count or SCENES_PER_SCAN * len(rows)
    factors = draw_common(total, seed=seed, split=split, size=SIZE, tilt=TILT, background=background)
    return factors | {"scan": rows[torch.arange(total) % len(rows)]}


def draw_scenes(factors: Mapping[str, Tensor], size: int = DEFAULT_SIDE) -> UInt8[Tensor, "n 3 size size"]:
    """Scenes with these factors, `size` px a side.

    >>> factors = scene_factors("train", count=3, seed=0, background=0.5)
    >>> tuple(draw_scenes(factors).shape)
    (3, 3, 32, 32)
    """
    scans = digit_scans("all").images[:, 0].float() / 255
    return in_chunks(factors, lambda some: paint(_cover(scans[some["scan"].long()], some, size), some))


def _cover(
    scans: Float[Tensor, "n 8 8"], factors: Mapping[str, Tensor], size: int
) -> Float[Tensor, "n size size"]:
    """Ink of the scan at every pixel, by bicubic interpolation between its 8 x 8 values; none outside it."""
    grid = object_coordinates(factors, size).movedim(1, -1)
    ink = torch.nn.functional.grid_sample(
        scans[:, None], grid, mode="bicubic", padding_mode="zeros", align_corners=False
    )
    return ink[:, 0].clamp(0, 1)


def open_scenes(settings: DataSettings, cache_dir: Path | None = None) -> InMemoryImages:
    """Scenes of 32 px (or `size`) with the digit as class; `all` is train followed by test."""
    del cache_dir
    factors = factors_of_splits(scene_factors, settings, name="scenes")
    made = InMemoryImages(
        images=draw_scenes(factors, settings.size or DEFAULT_SIDE),
        labels={"digit": digit_scans("all").digits[factors["scan"]]},
        name=f"scenes [{settings.split}]",
        class_names={"digit": DIGIT_NAMES},
        factors=factors,
    )
    return with_columns(made, settings.labels)
