"""advice.json: what an advice found about a set of images, its operations and policies."""

from dataclasses import dataclass, field
from typing import ClassVar

from contrascope.records.entry import Count, Entry, Record, Tree
from contrascope.records.kinds import EstimateEntry


@dataclass(frozen=True, kw_only=True)
class SurveyEntry(Entry):
    """Facts of the images; shares in [0, 1]."""

    images: Count | None
    """Images of the set."""
    sampled: Count | None
    """Images looked at."""
    channels: Count | None
    """Channels of an image."""
    height: Count | None
    """Height in px."""
    width: Count | None
    """Width in px."""
    side: Count | None
    """Shorter side in px at which everything is measured."""
    coloured: EstimateEntry | None
    """Share of images with colour."""
    symmetric: EstimateEntry | None
    """Share of images that equal their mirror image."""
    handed: EstimateEntry | None
    """Share of images told from their mirror image; chance is 0.5."""
    copies: EstimateEntry | None
    """Share of images with a near-duplicate."""
    classes: Count | None
    """Classes where labels are given, else 0."""
    hue_groups: Count | None
    """Separate groups of hue found without labels."""
    hue_silhouette: float | None
    """How separate they are."""
    groups: str
    """What the neighbours are asked about."""
    known: EstimateEntry | None
    """Share of an image's nearest others that are of its group."""
    description: str
    """In which description."""
    chance: float | None
    """The same by chance."""
    clusters: dict[str, Count | None] = field(default_factory=dict)
    """Clear clusters that no label named, of colour, place, turn or shape, and how many."""


@dataclass(frozen=True, kw_only=True)
class OperationWordEntry(Entry):
    """One word on an operation."""

    name: str
    """The operation."""
    word: str
    """A word of `vocabulary.OPERATION_WORDS`."""
    strength: float | None
    """The largest strength to use; null: leave it out."""
    reason: str
    """A sentence with its numbers."""


@dataclass(frozen=True, kw_only=True)
class CandidateEntry(Entry):
    """A policy that was compared."""

    name: str
    """The policy."""
    ops: tuple[Tree, ...]
    """Its operations, each with its kind, as in a policy file."""


@dataclass(frozen=True, kw_only=True)
class PlanEntry(Entry):
    """Rounds of short trainings."""

    rounds: tuple[tuple[Count, ...], ...]
    """Policies and epochs of each."""


@dataclass(frozen=True, kw_only=True)
class RankedEntry(Entry):
    """A policy in its place."""

    place: Count | None
    """1: best."""
    name: str
    """The policy."""
    stage: Count | None
    """The last round that trained it; 0: none."""
    score: EstimateEntry | None
    """What it is ranked by."""
    reason: str
    """A sentence with its numbers."""


@dataclass(frozen=True, kw_only=True)
class AdviceRecord(Record):
    """Everything that an advice found."""

    KIND: ClassVar[str] = "advice"
    FILE: ClassVar[str] = "advice.json"
    data: str
    """The images."""
    labels: str | None
    """The label column that was used."""
    survey: SurveyEntry | None
    """What the images are like."""
    facts: tuple[Tree, ...]
    """What each operation does at each strength; nobody reads it."""
    verdicts: tuple[OperationWordEntry, ...]
    """The word on each operation."""
    curves: Tree
    """Concentration of operations, pairs and candidates; nobody reads it."""
    policies: tuple[CandidateEntry, ...]
    """The candidates."""
    plan: PlanEntry | None
    """Rounds of training."""
    proxies: dict[str, Tree]
    """The last score of every candidate that was trained; nobody reads it."""
    ranking: tuple[RankedEntry, ...]
    """Best first."""
    complete: bool | None
    """Whether every planned training is done."""
    policy: str
    """The file with the best policy."""
    settings: Tree
    """How it was measured."""
    budget: float | None = None
    """Seconds for the short trainings; version 0.1 did not say it."""
    random: Tree | None = None
    """The score of random weights on the same views; version 0.1 had none."""
