"""The run of a cell as measurements see it: its networks, its images and their features, each made once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.exhibits import Networks
from contrascope.evaluation.protocol import Protocol
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.jobs.assess import evaluation_sets
from contrascope.methods.base import Method
from contrascope.papers.table import Sources
from contrascope.progress import Say, unheard
from contrascope.runs.build import build
from contrascope.runs.load import Run, load_run
from contrascope.settings import digest


@dataclass(frozen=True, kw_only=True)
class MeasureFound:
    """What a measurement found."""

    values: dict[str, float]
    """Numbers by name."""
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Numbers along epochs or another grid, by name."""


class MeasuredRun:
    """A finished run."""

    def __init__(
        self, folder: Path, sources: Sources, *, device: torch.device | None = None, say: Say = unheard
    ) -> None:
        self.folder, self.sources, self.say = folder, sources, say
        self.device = torch.device("cpu") if device is None else device

    @cached_property
    def run(self) -> Run:
        """The run with its newest weights."""
        return load_run(self.folder)

    @cached_property
    def sets(self) -> tuple[ImageSet, ImageSet]:
        """Training and test images with all their labels; opened once for all runs on the same ones."""
        return opened(replace(self.run.settings.data, labels=None))

    @cached_property
    def features(self) -> tuple[Features, Features]:
        """H of training and of test images at the end of training."""
        return self.embedded(self.run.method)

    def embedded(self, method: Method, *, train: int | None = None) -> tuple[Features, Features]:
        """H of training images (the first `train` of a fixed order; None: all) and of test images."""
        learn, test = self.sets
        if train is not None:
            learn = learn.select(some_of(len(learn), train))
        encoder: nn.Module = method.encoder
        return (
            embed(encoder, None, learn, device=self.device),
            embed(encoder, None, test, device=self.device),
        )

    def kept(self) -> list[tuple[float, Callable[[], Method]]]:
        """Epoch of every kept checkpoint, rising, the end last, and how its networks are had."""
        found = records.checkpoint_folders(self.folder)
        each = records.read_json(found[0][1] / "state.json")["steps_per_epoch"]
        steps = [step for step, _ in found]
        return [(step / each, lambda step=step: load_run(self.folder, step=step).method) for step in steps]

    def start(self) -> Method:
        """The networks before the first step: what settings and seed make."""
        return build(self.run.settings, self.run.image_shape).eval()

    def networks(self, method: Method) -> Networks:
        """Encoder and projector."""
        return Networks(encoder=method.encoder, projector=method.projector)


@lru_cache(maxsize=2)
def opened(data: DataSettings) -> tuple[ImageSet, ImageSet]:
    """Training and test images of a source; only the last two are held."""
    train, test, _ = evaluation_sets(replace(data, split="train"), Protocol())
    return train, test


def some_of(count: int, most: int, *, seed: int = 0) -> Tensor:
    """At most so many of `count` images in a fixed random order, rising.

    >>> len(some_of(10, 3)), len(some_of(2, 3))
    (3, 2)
    """
    source = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=source)[:most].sort().values


def part_of(features: Features, ids: Tensor) -> Features:
    """Some images of features."""
    return Features(
        h=features.h[:, ids], y={name: y[ids] for name, y in features.y.items()}, ids=features.ids[ids]
    )


@dataclass(frozen=True, kw_only=True)
class RunMeasure:
    """One measurement: what decides its numbers, and how they are had."""

    settings: dict[str, Any]
    """Everything that decides a number, beside the run."""
    make: Callable[[MeasuredRun], MeasureFound]
    """The measurement of a run."""
    minutes: float
    """About how many it takes on one thread with 60,000 images of 32 px."""

    def hash(self, name: str) -> str:
        """Hash of the settings: what was measured by others is measured anew."""
        return digest({"measure": name, **self.settings}, length=12)


@dataclass(frozen=True, kw_only=True)
class AloneMeasure:
    """A measurement that needs no run."""

    settings: dict[str, Any]
    """Everything that decides a number, beside the images."""
    make: Callable[[Sources], MeasureFound]
    """The measurement, of the images or of none."""
    minutes: float
    """About how many it takes on one thread."""

    def hash(self, name: str, *, dry: bool) -> str:
        """Hash of the settings."""
        return digest({"measure": name, "dry": dry, **self.settings}, length=12)
