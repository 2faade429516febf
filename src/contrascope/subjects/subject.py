"""A subject: what is measured, with everything that belongs to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from contrascope.augment.policy import Policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.memory import images_from
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.exhibits import Networks
from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.features.embed import device_of
from contrascope.features.features import Features
from contrascope.machine.device import default_device
from contrascope.methods.settings import MethodSettings
from contrascope.runs.load import Run, policies_for

Kind = Literal["run", "export", "monitor", "encoder", "file", "arrays", "model"]
"""What a subject came from."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a subject came from."""

    kind: Kind
    """A run's folder, that of an exported encoder, that of a monitor in somebody's training, an encoder by name, a
    file of features, arrays in memory, or a model in memory."""
    step: int | None = None
    """Checkpoint of a run."""
    shape: tuple[int, int, int] | None = None
    """Channels, height and width of the images that the networks take; None where nobody said."""

    @property
    def side(self) -> int | None:
        """Shorter side of those images in px."""
        return None if self.shape is None else min(self.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Networks with images and policies, or arrays that are embedded already; `open_subject` makes it.

    Images are opened and the twin is drawn when they are first asked for.
    """

    name: str
    """How it was called."""
    origin: Origin
    """What it was."""
    networks: Networks | None = None
    """Encoder and projector; None for arrays."""
    h: Tensor | None = None
    """Encoder outputs [views n dim], where they are arrays already."""
    z: Tensor | None = None
    """Projector outputs [views n out], where they are arrays already."""
    reference: tuple[Tensor | None, Tensor | None] = (None, None)
    """What the same model gives at random weights for the same views, h and z, where arrays came with it."""
    columns: dict[str, Tensor] = field(default_factory=dict)
    """Label columns of arrays, by name."""
    rows: tuple[str, ...] = ()
    """What the rows of arrays are called, where that is known."""
    source: DataSettings | ImageSet | None = None
    """The images, or what opens them; None where there are none."""
    opened: ImageSet | None = None
    """The images, where they had to be opened to know their shape."""
    policy: PolicySettings = field(default_factory=PolicySettings)
    """What makes the views."""
    method: MethodSettings | None = None
    """How it was trained."""
    protocol: Protocol | None = None
    """How its run is evaluated."""
    run: Run | None = None
    """The run, if it is one."""
    draw_twin: Callable[[], Networks | None] = field(default=lambda: None)
    """Makes the random twin."""
    read_start: Callable[[], Networks | None] = field(default=lambda: None)
    """Reads the encoder that a run started from."""

    @cached_property
    def images(self) -> ImageSet:
        """The images; raises `InputError` where there are none, or where they are not at hand."""
        if self.opened is not None:
            return self.opened
        if self.source is None:
            raise InputError(self._without_images)
        return self.source if isinstance(self.source, ImageSet) else images_from(self.source)

    @cached_property
    def policies(self) -> tuple[Policy, ...]:
        """The policies for these images."""
        return policies_for(self.policy, self.images)

    @cached_property
    def twin(self) -> Networks | None:
        """The same networks with random weights, by the seed and the architecture alone; None where there are none."""
        return self.draw_twin()

    @cached_property
    def start(self) -> Networks | None:
        """The encoder that a run started from; None where it started from random weights, or where nobody knows."""
        return self.read_start()

    @property
    def labels(self) -> dict[str, Tensor]:
        """Label columns by name: of the images, or of the arrays."""
        return self.columns if self.networks is None else self.images.labels

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every row: the file that it came from, or its number."""
        if self.networks is None:
            return self.rows or tuple(map(str, range(0 if self.h is None else self.h.shape[1])))
        return self.images.names()

    @property
    def folder(self) -> Path | None:
        """The run's folder, if it is a run."""
        return None if self.run is None else self.run.path

    @property
    def trained(self) -> Networks:
        """The networks; raises `InputError` for arrays, which have none."""
        if self.networks is None:
            raise InputError(
                f"{self.name} holds embeddings, and this needs the networks. Name a run's folder, or an encoder with "
                "images."
            )
        return self.networks

    def features(self) -> Features:
        """Arrays as features, their values checked; raises `InputError` for networks, which embed first."""
        if self.h is None:
            raise InputError(f"{self.name} is no array: embed images by it first.")
        try:
            return Features(
                h=self.h, z=self.z, y=self.columns, ids=torch.arange(self.h.shape[1]), names=self.rows
            )
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from error

    def device(self, asked: torch.device | str | None) -> torch.device:
        """Where the work is done: where asked, else where a model in memory lies, else the GPU or the CPU."""
        if asked is not None:
            return torch.device(asked)
        return default_device() if self.origin.kind != "model" else device_of(self.trained.encoder)

    @property
    def what(self) -> str:
        """Images, policy and step in words; of arrays their shape."""
        if self.h is not None:
            return f"h {' x '.join(map(str, self.h.shape))} (views x images x dimensions)"
        step = "" if self.origin.step is None else f", step {self.origin.step}"
        return f"{self.images.name}, policy {self.policy.name}{step}"

    @property
    def _without_images(self) -> str:
        if self.networks is None:
            return (
                f"{self.name} holds embeddings and no images. Name a run's folder, or an encoder with images."
            )
        if self.origin.kind == "export":
            return (
                f"{self.name} is an exported encoder, and has no images of its own; name some: contrascope diagnose "
                f"{self.name} DATA"
            )
        if self.origin.kind == "encoder":
            return (
                f"{self.name!r} is no run's folder and no file; an encoder needs images: contrascope diagnose "
                f"{self.name} DATA"
            )
        return f"{self.name} came without images; give some: data=IMAGES."
