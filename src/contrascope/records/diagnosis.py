"""diagnosis.json: the verdict, the signals that it rests on, factors and bounds.

Layers, factors and details are plain trees: their numbers are named by the vocabulary, path by path, so that a new
measurement needs no new field here.
"""

from dataclasses import dataclass
from typing import ClassVar

from contrascope.records.entry import Count, Entry, Record, Tree
from contrascope.records.forgetting import ForgettingEntry
from contrascope.records.shortcut import ShortcutEntry
from contrascope.records.useful import FewLabelsEntry


@dataclass(frozen=True, kw_only=True)
class AnswerEntry(Entry):
    """One answer: a word, what earned it, the likely cause, and what to do next."""

    word: str
    """A word of the vocabulary."""
    reason: str
    """What decided, in a few words, as "dimensional collapse"; empty where the word says it all."""
    evidence: tuple[str, ...]
    """Sentences with the numbers that decided."""
    cause: str
    """The likely cause; empty where there is none, or none is known."""
    next: str
    """What to do next; empty where there is nothing."""


@dataclass(frozen=True, kw_only=True)
class VerdictEntry(Entry):
    """Three answers. Records of version 0.1 hold one word instead, in `extra`."""

    sound: AnswerEntry | None = None
    """Faults and collapse."""
    learning: AnswerEntry | None = None
    """Better than random weights at telling images apart."""
    useful: AnswerEntry | None = None
    """Whether it serves the user's classes."""


@dataclass(frozen=True, kw_only=True)
class FaultsEntry(Entry):
    """Numerical faults."""

    non_finite: Count | None
    """Values that are NaN or infinite."""
    dead_units: float | None
    """Share of the encoder's outputs that are constant."""
    batch_norm_gap: float | None
    """Distance of features under stored and under batch statistics."""
    stopped: str | None
    """Why training stopped early."""
    distinct: float | None = None
    """Distinct rows as a share of all."""
    initial: Tree | None = None
    """Normalisation layers, and those that are as made; weights, and those that follow the drawn law."""
    input: Tree | None = None
    """Misfit of the input as given, and the input that fits best."""
    batch: float | None = None
    """How far a row depends on its batch."""
    copies: float | None = None
    """Share of images with a near copy among the others."""


@dataclass(frozen=True, kw_only=True)
class SignalsEntry(Entry):
    """Label-free numbers of each layer, under the paths of `vocabulary.SIGNALS`."""

    h: Tree | None
    """Encoder; null where its output is not finite."""
    z: Tree | None
    """Projector, where there is one."""
    reference_h: Tree | None
    """The reference's encoder."""
    reference_z: Tree | None
    """The reference's projector."""
    reference: str
    """What the reference is."""
    equal_views: float | None
    """Share of images whose views are equal pixel for pixel."""
    faults: FaultsEntry | None
    """What is wrong with features, weights, input or images."""
    learning: Tree | None = None
    """Gains over the reference by kind of views, under the paths of `vocabulary.LEARNING`; null without a reference."""


@dataclass(frozen=True, kw_only=True)
class BoundEntry(Entry):
    """One bound of the theory."""

    name: str
    """What it bounds, and how."""
    value: float | None
    """The bound."""
    terms: dict[str, float | None]
    """What it is made of."""
    conditions: dict[str, bool]
    """Condition to whether it holds."""
    trivial: float | None
    """What one knows without looking."""
    source: str
    """Paper and theorem."""
    lower: bool | None
    """Whether it bounds from below."""
    limit: float | None = None
    """What the value may be on new images, with 95 % confidence; null where the word judges the value."""
    scope: str = ""
    """Over which views it holds; empty in files of versions that did not say it."""
    circular: bool = False
    """Whether the classes were made from the features that they judge."""


@dataclass(frozen=True, kw_only=True)
class FactorsEntry(Entry):
    """One layer under one labelling; its numbers are in `extra`, under the paths of `vocabulary.FACTORS`."""

    labels: str
    """The label column, or the rule that made pseudo-classes."""
    pseudo: bool | None
    """Whether the classes come from the embedding itself."""
    classes: Count | None
    """Number of classes."""
    bounds: tuple[BoundEntry, ...]
    """Every bound that these features allow."""


@dataclass(frozen=True, kw_only=True)
class DiagnosisRecord(Record):
    """What is known of a representation without labels, and with them where they are given."""

    KIND: ClassVar[str] = "diagnosis"
    FILE: ClassVar[str] = "diagnosis.json"
    thing: str
    """The run, encoder or file."""
    data: str
    """The images and the policy, or the shape of the arrays."""
    settings: Tree
    """How it was measured."""
    verdict: VerdictEntry | None
    """Three answers: sound and learning from label-free signals alone, useful from labels where there are some."""
    signals: SignalsEntry | None
    """Those signals, beside a reference."""
    factors: dict[str, FactorsEntry]
    """By layer and labelling, as "h label" or "z pseudo-classes"."""
    details: dict[str, Tree]
    """By layer, under the paths of `vocabulary.DETAILS`; empty where there is one view."""
    lipschitz: Tree | None
    """Slopes of the encoder that were seen, under the paths of `vocabulary.SLOPES`; null for arrays."""
    needs_views: tuple[str, ...]
    """Measurements that one view of each image does not allow."""
    few_labels: FewLabelsEntry | None = None
    """What a few labels said, where some were given for that."""
    shortcut: ShortcutEntry | None = None
    """What the encoder confuses, in pictures, where it may rest on a shortcut."""
    start: ForgettingEntry | None = None
    """Beside the encoder that the run started from, where it started from trained weights."""
