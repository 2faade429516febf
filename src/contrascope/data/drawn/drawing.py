"""What the drawn sets share: factors drawn from a seed, backdrops, and pixel coordinates."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from contrascope.data.settings import DataSettings
from contrascope.data.splits import pick_splits

BACKDROPS = ("gradient", "stripes", "checks", "rings")
"""Background kinds; with `background=0` each is one flat colour."""

SPLIT_CODES = {"train": 0, "test": 1}
CHUNK = 512
"""Images that are drawn at a time, which bounds memory."""


class Range(NamedTuple):
    """Lowest and highest value of a factor."""

    low: float
    high: float


def draw_common(
    count: int, *, seed: int, split: str, size: Range, tilt: Range, background: float
) -> dict[str, Tensor]:
    """Factors of place, size, tilt, colours and backdrop; image k has the same ones for every count above k.

    `x`, `y` and `size` are fractions of the image side, `tilt` is in degrees (counter-clockwise as
    seen), colours are RGB from 0 to 1. One of drawing and backdrop is light (every channel above 0.6), the
    other one dark (below 0.4); `background` moves the second colour of the backdrop from its
    first one (0) to any colour (1).
    """
    rng = np.random.default_rng([seed, SPLIT_CODES[split]])
    table = torch.from_numpy(rng.random((count, 20))).float()
    side = _scaled(table[:, 0], size)
    light = (table[:, 4] < 0.5)[:, None]
    bright, dim = 0.6 + 0.4 * table[:, 5:8], 0.4 * table[:, 8:11]
    first = torch.where(light, dim, bright)
    return {
        "x": side / 2 + (1 - side) * table[:, 1],
        "y": side / 2 + (1 - side) * table[:, 2],
        "size": side,
        "tilt": _scaled(table[:, 3], tilt),
        "foreground": torch.where(light, bright, dim),
        "background": first,
        "background_second": first + background * (table[:, 11:14] - first),
        "background_kind": (table[:, 14] * len(BACKDROPS)).long(),
        "background_tilt": _scaled(table[:, 15], Range(0, 360)),
        "background_frequency": _scaled(table[:, 16], Range(1, 4)),
        "background_phase": _scaled(table[:, 17], Range(0, 2 * math.pi)),
    }


def factors_of_splits(
    draw: Callable[..., dict[str, Tensor]], settings: DataSettings, *, name: str
) -> dict[str, Tensor]:
    """The factors of the split that is asked for; `all` is train followed by test.

    `draw` takes a split, and count, seed and background by name.
    """
    parts = [
        draw(split, count=settings.count, seed=settings.seed, background=settings.background)
        for split in pick_splits(settings.split, ["train", "test"], name=name)
    ]
    return {factor: torch.cat([part[factor] for part in parts]) for factor in parts[0]}


def _scaled(unit: Tensor, to: Range) -> Tensor:
    return to.low + (to.high - to.low) * unit


def in_chunks(
    factors: Mapping[str, Tensor], draw: Callable[[Mapping[str, Tensor]], Tensor]
) -> UInt8[Tensor, "n 3 size size"]:
    """Draw a few images at a time and round them to bytes."""
    count = len(factors["x"])
    parts = []
    for start in range(0, count, CHUNK):
        some = {name: values[start : start + CHUNK] for name, values in factors.items()}
        parts.append((draw(some) * 255).round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts)


def object_coordinates(factors: Mapping[str, Tensor], size: int) -> Float[Tensor, "n 2 size size"]:
    """Pixel centres in the frame of the object: (right, down), -1 to 1 across its side, before its tilt."""
    centres = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    right = centres[None, None, :] - factors["x"][:, None, None]
    down = centres[None, :, None] - factors["y"][:, None, None]
    half = (factors["size"] / 2)[:, None, None]
    return _rotated(right / half, down / half, factors["tilt"])


def _rotated(right: Tensor, down: Tensor, degrees: Tensor) -> Tensor:
    angle = torch.deg2rad(degrees)[:, None, None]
    cos, sin = angle.cos(), angle.sin()
    right, down = torch.broadcast_tensors(right, down)
    return torch.stack([cos * right - sin * down, sin * right + cos * down], dim=1)


def backdrop(factors: Mapping[str, Tensor], size: int) -> Float[Tensor, "n 3 size size"]:
    """Two colours mixed by a pattern: gradient, stripes, checks or rings about the middle."""
    centres = (torch.arange(size, dtype=torch.float32) + 0.5) / size - 0.5
    across, along = _rotated(
        centres[None, None, :], centres[None, :, None], factors["background_tilt"]
    ).unbind(1)
    turns = 2 * math.pi * factors["background_frequency"][:, None, None]
    phase = factors["background_phase"][:, None, None]
    wave = torch.sin(turns * across + phase)
    patterns = torch.stack(
        [
            (0.5 + across / math.sqrt(2)).clamp(0, 1),
            0.5 + 0.5 * wave,
            0.5 + 0.5 * wave * torch.sin(turns * along + phase),
            0.5 + 0.5 * torch.sin(turns * torch.hypot(across, along) + phase),
        ],
        dim=1,
    )
    kind = factors["background_kind"].long()
    mix = patterns[torch.arange(len(kind)), kind][:, None]
    first, second = (factors[name][:, :, None, None] for name in ("background", "background_second"))
    return first + (second - first) * mix


def paint(
    cover: Float[Tensor, "n size size"], factors: Mapping[str, Tensor]
) -> Float[Tensor, "n 3 size size"]:
    """The foreground colour over the backdrop, by how much of each pixel it covers."""
    behind = backdrop(factors, cover.shape[-1])
    return behind + (factors["foreground"][:, :, None, None] - behind) * cover[:, None]
