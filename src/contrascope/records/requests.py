"""What was asked for: request.json of a folder of parts, or a part of a record that grows; segments.json of a run."""

from dataclasses import dataclass
from typing import ClassVar

from contrascope.records.entry import Count, Entry, Record, Tree, without_kinds


@dataclass(frozen=True, kw_only=True)
class RequestEntry(Entry):
    """A request as it was kept."""

    work: str
    """What work it is, such as `advice`; empty: not said."""
    of: Tree
    """What the work is of: fingerprints of images, hash of an encoder."""
    settings: Tree
    """Everything that decides a number."""


@dataclass(frozen=True, kw_only=True)
class RequestRecord(Record):
    """The request of a folder of parts."""

    KIND: ClassVar[str] = "request"
    FILE: ClassVar[str] = "request.json"
    request: RequestEntry | None
    """What was asked for."""

    @classmethod
    def upgraded(cls, tree: Tree) -> Tree:
        """In format 0 the parts of an advice's request stood side by side; another one said what it was of."""
        kept: Tree = without_kinds(tree)
        if "request" in kept:
            return kept
        if not {"data", "labels", "base", "settings"} <= set(kept):
            return {"request": {"work": "", "of": kept, "settings": {}}} if kept else kept
        told = {"labels": kept["labels"], "base": kept["base"], "advice": kept["settings"]}
        return {"request": {"work": "advice", "of": {"data": kept["data"]}, "settings": told}}


@dataclass(frozen=True, kw_only=True)
class RequestedRecord(Record):
    """A record of one file that carries its request."""

    request: RequestEntry | None = None
    """What was asked for; version 0.1 did not say it."""


@dataclass(frozen=True, kw_only=True)
class SegmentEntry(Entry):
    """Steps that walk evenly through a part of a schedule."""

    start: Count | None
    """First step, counted from 0."""
    stop: Count | None
    """The step behind the last one, as planned."""
    first: float | None
    """Position in the schedule at `start`, in its own steps."""
    last: float | None
    """Position at `stop`."""
    steps: Count | None
    """Steps of that schedule."""
    how: str
    """start, restart, stretch or constant."""


@dataclass(frozen=True, kw_only=True)
class SegmentsRecord(Record):
    """How the steps of a continued run walk through its schedule."""

    KIND: ClassVar[str] = "segments"
    FILE: ClassVar[str] = "segments.json"
    steps_per_epoch: Count | None
    """Steps of an epoch."""
    peak: float | None
    """Peak rate."""
    settings: Tree
    """The schedule."""
    segments: tuple[SegmentEntry, ...]
    """First to last."""
