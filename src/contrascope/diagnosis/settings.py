"""What a diagnosis looks at."""

import math
from dataclasses import dataclass, replace

from contrascope.errors import InputError
from contrascope.settings import written_as

MOST_TIMES = 10_000
"""Measurements that a training may have."""


@written_as("DiagnosisSettings")
@dataclass(frozen=True, kw_only=True)
class DiagnosisSettings:
    """Which images and views are measured, and how finely."""

    images: int = 2000
    """Images that are embedded, drawn at random from the set; all if it has fewer."""
    views: int = 4
    """Fixed views of each image."""
    draws: int = 200
    """Bootstrap draws of an interval; 0 for none."""
    seed: int = 0
    """Seed of the images, their views and the bootstrap."""

    def __post_init__(self) -> None:
        lowest = {"images": 16, "views": 2, "draws": 0, "seed": 0}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise InputError(f"diagnosis.{name} is {getattr(self, name)}; expected at least {least}.")


@written_as("MonitorSettings")
@dataclass(frozen=True, kw_only=True)
class MonitorSettings:
    """The verdict while training, on a fixed probe set with fixed views."""

    times: int = 10
    """Diagnoses spread evenly over the run, at ends of epochs; 0 for none."""
    images: int = 512
    """Training images of the probe set."""
    views: int = 2
    """Fixed views of each."""
    stop: bool = False
    """Save and stop when the verdict is a collapse or a numerical fault."""

    def __post_init__(self) -> None:
        lowest = {"times": 0, "images": 16, "views": 2}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise InputError(f"monitor.{name} is {getattr(self, name)}; expected at least {least}.")
        if self.times > MOST_TIMES:
            raise InputError(f"monitor.times is {self.times}; expected {MOST_TIMES:,} or fewer.")


@written_as("GeometrySettings")
@dataclass(frozen=True, kw_only=True)
class GeometrySettings:
    """What is measured of the geometry of encoder and projector, and how finely."""

    images: int = 2000
    """Images that are embedded, drawn at random from the set; all if it has fewer."""
    beta: float = 2.0
    """Inverse temperature of the InfoNCE and its bound; 2 in Cosentino et al. 2022."""
    absolute: float = 0.1
    """Absolute threshold of a rank; the paper names none."""
    relative: float = 1e-2
    """Threshold of a rank relative to the largest singular value."""
    directions: int = 10
    """Directions of an operation, equal for all so that they compare."""
    subspace: int = 64
    """Leading directions of h in which generators are fitted."""
    points: int = 128
    """Images at which the local Jacobian of an MLP projector is taken."""
    paths: int = 32
    """Images on whose line between two views the pieces of an MLP are counted."""
    draws: int = 200
    """Bootstrap draws of an interval; 0 for none."""
    seed: int = 0
    """Seed of the images, their views and the strengths."""

    def __post_init__(self) -> None:
        lowest = {
            "images": 16,
            "directions": 1,
            "subspace": 1,
            "points": 1,
            "paths": 1,
            "draws": 0,
            "seed": 0,
        }
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise InputError(f"geometry {name} is {getattr(self, name)}; expected at least {least}.")
        for name in ("beta", "absolute", "relative"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(
                    f"geometry {name} is {getattr(self, name)}; expected a finite number above 0."
                )
        if self.relative > 1:
            raise InputError(
                f"geometry relative is {self.relative}; no singular value exceeds the largest: choose at most 1."
            )


@written_as("GeometryProbeSettings")
@dataclass(frozen=True, kw_only=True)
class GeometryProbeSettings:
    """The geometry while training, on a fixed set with fixed views."""

    times: int = 0
    """Measurements spread evenly over the run, at ends of epochs; 0 for none."""
    images: int = 512
    """Training images that are measured."""
    operations: tuple[str, ...] = ("crop", "rotation", "brightness", "hue")
    """Operations whose directions and generators are followed; colour ones are left out for gray images."""

    def __post_init__(self) -> None:
        if self.times < 0 or self.images < 16:
            raise InputError(
                f"geometry.times is {self.times} and geometry.images {self.images}; expected 0 and 16 or more."
            )
        if self.times > MOST_TIMES:
            raise InputError(f"geometry.times is {self.times}; expected {MOST_TIMES:,} or fewer.")

    def followed(self) -> "GeometryProbeSettings":
        """These settings with ten measurements where none was asked for."""
        return self if self.times else replace(self, times=10)
