"""sentences.json: what a page shows of a run on sentences, in place of pictures."""

from dataclasses import dataclass
from typing import ClassVar

from contrascope.records.entry import Count, Entry, Record


@dataclass(frozen=True, kw_only=True)
class ViewedTextEntry(Entry):
    """A sentence and two views of it."""

    text: str
    """The sentence, as the tokeniser writes its tokens."""
    views: tuple[str, ...]
    """What is left of it in each view."""
    alignment: float | None
    """Squared distance of the unit rows of the two views, 0 to 4."""


@dataclass(frozen=True, kw_only=True)
class NearTextEntry(Entry):
    """A neighbour."""

    text: str
    """The sentence."""
    cosine: float | None
    """Cosine of encoder outputs."""


@dataclass(frozen=True, kw_only=True)
class NeighbourTextsEntry(Entry):
    """A sentence with its nearest others."""

    text: str
    """The sentence."""
    near: tuple[NearTextEntry, ...]
    """Nearest first."""


@dataclass(frozen=True, kw_only=True)
class SentenceGalleryRecord(Record):
    """Sentences whose views lie far apart or close together, and nearest neighbours."""

    KIND: ClassVar[str] = "sentence_gallery"
    FILE: ClassVar[str] = "sentences.json"
    step: Count | None
    """Checkpoint that was measured."""
    data: str
    """The sentences."""
    measured: Count | None
    """How many were looked at."""
    worst: tuple[ViewedTextEntry, ...]
    """Those whose two views lie farthest apart, the farthest first."""
    best: tuple[ViewedTextEntry, ...]
    """Those whose two views lie closest together, the closest first."""
    neighbours: tuple[NeighbourTextsEntry, ...]
    """Some sentences with their nearest others."""
