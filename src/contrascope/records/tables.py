"""measured.json of a run, and table.json of a paper's table, of which its page and answers to claims are made."""

from dataclasses import dataclass, field
from typing import ClassVar

from contrascope.records.entry import Entry, Record, Tree


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
    held_out: float | None = None
    """KNN accuracy on held-out training images at the end, in percent."""
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
    dry: bool
    """Whether it was a trial on drawn images, whose numbers mean nothing."""
    cells: tuple[TableCellEntry, ...]
    """All cells of one seed, then of the next."""
    settings: dict[str, Tree] = field(default_factory=dict)
    """All settings of a cell's run, by cell."""
    machine: str = ""
    """Where the last run was trained, in words."""
