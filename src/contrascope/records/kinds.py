"""The small files of a run: environment, scores, best checkpoint, images that were left out."""

from dataclasses import dataclass
from typing import ClassVar

from contrascope.records.entry import Count, Entry, Part, Record, Tree


@dataclass(frozen=True, kw_only=True)
class EstimateEntry(Entry):
    """A number with its 95 % interval."""

    value: float | None
    """The estimate."""
    low: float | None
    """Lower end."""
    high: float | None
    """Upper end."""


@dataclass(frozen=True, kw_only=True)
class ResumedEntry(Entry):
    """A later start of a run."""

    time: str
    """When."""
    command: tuple[str, ...]
    """The words of the command line."""
    step: Count | None
    """The step from which it went on."""
    changed: tuple[str, ...]
    """What was different from the first start, as `path: before -> now`."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentRecord(Record):
    """What a run depends on besides its settings, as it was first started."""

    KIND: ClassVar[str] = "environment"
    FILE: ClassVar[str] = "environment.json"
    time: str
    """When it was started."""
    command: tuple[str, ...]
    """The words of the command line."""
    python: str
    """Version of Python."""
    platform: str
    """Operating system."""
    processor: str
    """Name of the processor."""
    cores: Count | None
    """Its cores."""
    threads: Count | None
    """Threads of torch."""
    device: str
    """Where it was trained."""
    versions: dict[str, str | None]
    """Package to version; null where it is not installed."""
    commit: str | None
    """Commit of the code, where it came from a checkout."""
    processes: Count | None
    """Processes that trained together."""
    images: Count | None
    """Training images."""
    image_shape: tuple[Count, ...]
    """Channels, height, width."""
    data_fingerprint: str
    """Hash of the images."""
    classes: dict[str, tuple[str, ...]]
    """Label column to names of its classes."""
    steps_per_epoch: Count | None = None
    """Steps of an epoch; version 0.1 did not say it."""
    resumed: tuple[ResumedEntry, ...] = ()
    """Later starts."""


@dataclass(frozen=True, kw_only=True)
class ScoreEntry(Entry):
    """One accuracy of one representation."""

    of: str
    """The representation."""
    name: str
    """The probe, a word of the vocabulary."""
    value: Part | None
    """Share of test images that it gets right."""
    low: Part | None
    """Lower end of the interval over test images."""
    high: Part | None
    """Upper end."""
    n: Count | None
    """Test images."""
    protocol: str
    """Hash of the protocol."""
    split: str
    """Split that was tested on."""
    output: str = ""
    """h or z."""
    std: float | None = None
    """Standard deviation over draws of labels."""
    chosen: float | None = None
    """Inverse penalty that was selected."""
    not_defined: str = ""
    """Why there is no value: what these labels do not allow."""
    note: str = ""
    """What has to be known of the value."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(Record):
    """The table of scores."""

    KIND: ClassVar[str] = "evaluation"
    FILE: ClassVar[str] = "evaluation.json"
    rows: tuple[ScoreEntry, ...]
    """One a representation and probe."""
    protocol: Tree
    """The protocol's settings."""
    step: Count | None = None
    """The run's step; version 0.1 did not say it."""


@dataclass(frozen=True, kw_only=True)
class BestRecord(Record):
    """The checkpoint with the best label-free score."""

    KIND: ClassVar[str] = "best_label_free"
    FILE: ClassVar[str] = "best_label_free.json"
    step: Count | None
    """Its step; null before the first score."""
    score: float | None
    """Its score."""


@dataclass(frozen=True, kw_only=True)
class BadImageEntry(Entry):
    """An image that could not be read."""

    name: str
    """File or row."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class BadImagesRecord(Record):
    """Images that could not be read and took no part."""

    KIND: ClassVar[str] = "bad_images"
    FILE: ClassVar[str] = "bad_images.json"
    count: Count | None
    """How many."""
    images: tuple[BadImageEntry, ...]
    """Each with its reason."""
