"""sweep.json and outcome.json: a sweep, and what a trial ended with; table.json and measured.json: a paper's table."""

from dataclasses import dataclass, field
from typing import ClassVar

from contrascope.records.entry import Count, Entry, Part, Record, Tree
from contrascope.records.requests import RequestedRecord

WAITING, RUNNING, PAUSED = "waiting", "running", "paused"
FINISHED, DROPPED, DIVERGED, ALARMED, REFUSED, LOST = (
    *("finished", "dropped", "diverged", "alarmed", "refused", "lost"),
)
STATES = (WAITING, RUNNING, PAUSED, FINISHED, DROPPED, DIVERGED, ALARMED, REFUSED, LOST)
"""States of a trial. Paused: at a rung; dropped: by a rung; alarmed: stopped by its monitor; lost: its worker died."""
ENDED = (FINISHED, DROPPED, DIVERGED, ALARMED)
"""States in which a trial stays; the others go on when the sweep is asked for again."""


@dataclass(frozen=True, kw_only=True)
class AxisEntry(Entry):
    """A setting of a grid."""

    path: str
    """Its dotted path, such as `method.temperature`."""
    values: tuple[str, ...]
    """Its values, as they are typed after the flag."""


@dataclass(frozen=True, kw_only=True)
class MarkEntry(Entry):
    """What was measured of a trial after so many epochs."""

    epoch: Count | None
    """Finished epochs."""
    knn_held_out: Part | None
    """KNN accuracy on a held-out part of the training images; null without labels."""
    label_free: float | None
    """Label-free score of the checkpoint, in log odds; null where it has none."""
    sound: str
    """The monitor's answer on soundness; empty: not asked."""
    learning: str
    """The monitor's answer on learning; empty: not asked."""


@dataclass(frozen=True, kw_only=True)
class FinalScoreEntry(Entry):
    """KNN accuracy on test images, which chooses nothing."""

    value: Part | None
    """Share of test images."""
    low: Part | None
    """Lower end over test images."""
    high: Part | None
    """Upper end."""
    split: str
    """Where the images come from."""


@dataclass(frozen=True, kw_only=True)
class TrialEntry(Entry):
    """One run of a sweep."""

    name: str
    """Its folder in that of the sweep."""
    seed: str
    """Its `training.seed`."""
    values: dict[str, str]
    """Path to value of the grid's other settings."""
    settings: Tree
    """All settings of the run."""
    state: str
    """One of `STATES`."""
    starts: Count | None
    """How often a worker was started for it."""
    why: str = ""
    """Why it ended before its end."""
    marks: tuple[MarkEntry, ...] = ()
    """One a rung, the last of the whole run."""
    test: FinalScoreEntry | None = None
    """Of a finished run with labels."""


@dataclass(frozen=True, kw_only=True)
class RungEntry(Entry):
    """A choice of successive halving."""

    epoch: Count | None
    """Epochs after which it was made."""
    by: str
    """Field of a mark that decided; empty: nothing could."""
    kept: tuple[str, ...]
    """Settings that go on."""
    dropped: tuple[str, ...]
    """Settings that were left."""


@dataclass(frozen=True, kw_only=True)
class SweepRecord(RequestedRecord):
    """A sweep: what was asked for, and how far every trial is."""

    KIND: ClassVar[str] = "sweep"
    FILE: ClassVar[str] = "sweep.json"
    grid: tuple[AxisEntry, ...]
    """Settings that are varied; that of the seeds first."""
    trials: tuple[TrialEntry, ...]
    """In the order in which they are begun: all settings of one seed, then of the next."""
    rungs: tuple[RungEntry, ...] = ()
    """Choices so far, where half of the settings is left at each rung."""


@dataclass(frozen=True, kw_only=True)
class OutcomeRecord(Record):
    """What the worker of a trial says at its end; where it says nothing, it was killed."""

    KIND: ClassVar[str] = "outcome"
    FILE: ClassVar[str] = "outcome.json"
    state: str
    """Finished, paused, diverged, alarmed or refused."""
    why: str = ""
    """The sentence that goes with it."""
    mark: MarkEntry | None = None
    """What was measured."""
    test: FinalScoreEntry | None = None
    """KNN accuracy on test images."""


@dataclass(frozen=True, kw_only=True)
class MeasureEntry(Entry):
    """What one measurement found."""

    protocol: str
    """Hash of the settings that decided the numbers."""
    values: dict[str, float]
    """Numbers by name; accuracies and errors in percent."""
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Numbers against epochs or another grid, by name."""
    seconds: float | None = None
    """How long it took."""


@dataclass(frozen=True, kw_only=True)
class MeasuredRecord(Record):
    """Measurements of one run."""

    KIND: ClassVar[str] = "measured"
    FILE: ClassVar[str] = "measured.json"
    measures: dict[str, MeasureEntry]
    """By the name of the measurement."""


@dataclass(frozen=True, kw_only=True)
class TableCellEntry(Entry):
    """One cell of a table with one seed."""

    cell: str
    """Its name."""
    seed: str
    """The seed of its run."""
    state: str
    """State of its trial; `finished` where nothing is trained for it."""
    why: str = ""
    """Why it ended before its end."""
    minutes: float | None = None
    """Of its training, on the clock."""
    sound: str = ""
    """The monitor's answer at the end."""
    measures: dict[str, MeasureEntry] = field(default_factory=dict)
    """By the name of the measurement."""


@dataclass(frozen=True, kw_only=True)
class TableRecord(Record):
    """A table as far as it is."""

    KIND: ClassVar[str] = "table"
    FILE: ClassVar[str] = "table.json"
    table: str
    """Its name."""
    scale: str
    """cpu, gpu or paper."""
    cells: tuple[TableCellEntry, ...]
    """All cells of one seed, then of the next."""
    dry: bool = False
    """Whether it was a trial on drawn images, whose numbers mean nothing."""
    settings: dict[str, Tree] = field(default_factory=dict)
    """All settings of a cell's run, by cell."""
    machine: str = ""
    """Where the last run was trained, in words."""
