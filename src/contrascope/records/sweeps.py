"""sweep.json: the grid of a sweep and the state of every trial; outcome.json: what a trial's worker ended with."""

from dataclasses import dataclass
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
