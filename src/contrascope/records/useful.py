"""What a few labels said of a representation, as it stands in diagnosis.json."""

from dataclasses import dataclass

from contrascope.records.entry import Count, Entry
from contrascope.records.kinds import EstimateEntry


@dataclass(frozen=True, kw_only=True)
class ComparedEntry(Entry):
    """The difference to another representation of the same images."""

    accuracy: EstimateEntry | None
    """Of the other one."""
    gain: EstimateEntry | None
    """How much farther in front an image's own class is."""
    error: float | None
    """Standard error of the gain."""
    sign: int | None
    """1 better, -1 worse, 0 not told apart."""


@dataclass(frozen=True, kw_only=True)
class FewLabelsEntry(Entry):
    """The numbers."""

    labels: Count | None
    """Labelled images."""
    classes: Count | None
    """Different classes among them."""
    alone: Count | None
    """Images that are alone in their class."""
    accuracy: EstimateEntry | None
    """Share of images that the others put into their class."""
    twin: ComparedEntry | None
    """Beside random weights."""
    pixels: ComparedEntry | None
    """Beside raw pixels."""
    answer: str
    """yes, no or label more."""
    more: Count | None
    """About how many labels in all would decide."""


@dataclass(frozen=True, kw_only=True)
class UsefulEntry(Entry):
    """The answer to: useful for your classes?"""

    answer: str
    """yes, no or label more."""
    evidence: tuple[str, ...]
    """Sentences with the numbers."""
    next: str
    """What to do next."""
    found: FewLabelsEntry | None
    """The numbers."""
