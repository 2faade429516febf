"""What a continued training kept of the encoder that it started from: a part of diagnosis.json, and forgetting.json."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from contrascope.records.answers import ShownAnswer
from contrascope.records.entry import Count, Entry, Record
from contrascope.records.kinds import EstimateEntry

ForgettingWord = Literal["kept", "forgotten", "cannot be told"]
"""Whether what the start could is still there."""
START = "start.safetensors"
"""Weights of an encoder before the first step of a run, in the network's own names; of runs that start from trained
ones."""
QUESTION = "Has it forgotten its start?"
"""As it is asked."""


@dataclass(frozen=True, kw_only=True)
class StartGainEntry(Entry):
    """How often an image's other view is found first among 100, today and at the start."""

    trained: EstimateEntry | None
    """Today."""
    random: EstimateEntry | None
    """At the start."""
    odds: EstimateEntry | None
    """Logarithm of the ratio of the odds."""


@dataclass(frozen=True, kw_only=True)
class ForgettingEntry(Entry):
    """The encoder beside the one that its training started from, on the same views."""

    word: str
    """kept, forgotten (the alarm) or cannot be told."""
    reason: str
    """Why it cannot be told; else empty."""
    images: Count | None
    """Images that were looked at."""
    kept: EstimateEntry | None
    """Of what the start's rows hold beyond random weights', the share that a linear map of today's rows gives."""
    explained: float | None
    """Share of the variance of the start's rows that a linear map of today's gives, on images that it did not see."""
    random_explained: float | None
    """The same of random weights."""
    neighbours: EstimateEntry | None
    """Share of an image's 10 nearest images at the start that are among its 10 nearest today."""
    random_neighbours: float | None
    """The same of random weights."""
    rank: float | None
    """Effective rank over that of the start."""
    own: StartGainEntry | None
    """Gain over the start under the run's own views."""
    standard: StartGainEntry | None
    """The same under the standard views that suffered most."""
    evidence: tuple[str, ...]
    """Sentences with the numbers."""
    next: str
    """What to do next."""


@dataclass(frozen=True, kw_only=True)
class ForgettingRecord(Record):
    """What was left of the start when training ended."""

    KIND: ClassVar[str] = "forgetting"
    FILE: ClassVar[str] = "forgetting.json"
    step: Count | None
    """Of the checkpoint."""
    data: str
    """The images and the policy."""
    start: ForgettingEntry | None
    """What was found."""


def shown_forgetting(found: ForgettingEntry, *, about: str = "") -> ShownAnswer:
    """The answer as it is shown."""
    return ShownAnswer(
        question=QUESTION,
        word=found.word,
        reason=found.reason,
        evidence=found.evidence,
        next=found.next,
        about=about,
    )
