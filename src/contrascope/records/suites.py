"""Records of the suites: evaluation-augmented.json and evaluation-transfer.json, which grow while they are measured."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from contrascope.records.entry import Count, Entry, Tree, without_kinds
from contrascope.records.requests import RequestedRecord


@dataclass(frozen=True, kw_only=True)
class MoveEntry(Entry):
    """One probe on one changed copy of the test images."""

    of: str
    """The representation."""
    copy: str
    """The copy or corruption."""
    severity: Count | None
    """Of a corruption."""
    probe: str
    """`own`: learnt on the copy; `original`: learnt on the untouched images."""
    accuracy: float | None
    """Share of test images that it gets right."""
    accuracy_low: float | None
    """Lower end."""
    accuracy_high: float | None
    """Upper end."""
    risk: float | None
    """Cross-entropy in nats."""
    risk_gap: float | None
    """Risk over the original's."""
    gap_low: float | None
    """Lower end."""
    gap_high: float | None
    """Upper end."""
    bound: float | None
    """What the gap cannot exceed."""
    l_ar: float | None
    """L_AR of the pair of copies."""
    l_ar_unit: float | None
    """The same of unit rows."""
    n: Count | None
    """Test images."""
    chosen: float | None
    """Inverse penalty of the probe."""


@dataclass(frozen=True, kw_only=True)
class RobustEntry(Entry):
    """One representation over all copies together."""

    of: str
    """The representation."""
    l_ar: float | None
    """L_AR over the copies."""
    l_ar_unit: float | None
    """The same of unit rows."""


@dataclass(frozen=True, kw_only=True)
class PublishedEntry(Entry):
    """A published row to read beside."""

    data: str
    """The set."""
    of: str
    """The method."""
    batch: Count | None
    """Its batch size."""
    accuracy: dict[str, float | None]
    """Copy to accuracy in %."""


@dataclass(frozen=True, kw_only=True)
class AugmentedRecord(RequestedRecord):
    """The robustness suite."""

    KIND: ClassVar[str] = "robustness"
    FILE: ClassVar[str] = "evaluation-augmented.json"
    protocol: str
    """Hash of everything that decides a number."""
    encoder: str
    """Hash of the weights."""
    data: tuple[str, ...]
    """Fingerprints of train and test images."""
    source: str
    """The images."""
    split: str
    """Split that was tested on."""
    train_images: Count | None
    """Images that the probes learnt from."""
    settings: Tree
    """The suite's settings."""
    rows: list[MoveEntry] = field(default_factory=list)
    """One a representation, copy and probe."""
    robustness: list[RobustEntry] = field(default_factory=list)
    """One a representation that is done."""
    published: tuple[PublishedEntry, ...] = ()
    """Other people's numbers."""
    note: str = ""
    """Test images that were left out, whose classes training lacks."""

    @classmethod
    def upgraded(cls, tree: Tree) -> Tree:
        """In format 0 the kind stood under `suite`."""
        return {key: value for key, value in without_kinds(tree).items() if key != "suite"}


@dataclass(frozen=True, kw_only=True)
class TransferEntry(Entry):
    """One score on one set."""

    of: str
    """The representation."""
    mode: str
    """linear, few_labels_N or finetune."""
    metric: str
    """top1 or mean_per_class."""
    value: float | None
    """The score, a share."""
    low: float | None
    """Lower end of the interval over test images."""
    high: float | None
    """Upper end."""
    n: Count | None
    """Test images."""
    train: Count | None
    """Training images."""
    classes: Count | None
    """Classes."""
    std: float | None
    """Standard deviation over draws."""
    chosen: str | None
    """What was selected on validation images."""


@dataclass(frozen=True, kw_only=True)
class SetEntry(Entry):
    """One set."""

    name: str
    """The set."""
    source: str
    """Where its images come from."""
    rows: list[TransferEntry] = field(default_factory=list)
    """Scores."""
    points: dict[str, dict[str, float]] = field(default_factory=dict)
    """Representation to the points of fine-tuning's grid that are done."""
    not_available: dict[str, str] = field(default_factory=dict)
    """What could not be measured, and why; `set` is the whole set."""
    data: tuple[str, ...] = ()
    """Fingerprints of train and test images."""
    metric: str = ""
    """top1 or mean_per_class."""
    split: str = ""
    """Split that was tested on."""
    note: str = ""
    """What the labels do to its scores: test images of classes that training lacks, say."""


@dataclass(frozen=True, kw_only=True)
class MeanEntry(Entry):
    """One representation over the sets."""

    mean: float | None
    """Mean score."""
    mean_is: str
    """Of how many sets."""
    rank: float | None
    """Mean rank among the representations."""


@dataclass(frozen=True, kw_only=True)
class ModeEntry(Entry):
    """One mode over the sets."""

    networks: dict[str, MeanEntry]
    """Representation to its mean."""
    published: dict[str, float | None] = field(default_factory=dict)
    """Method to its published mean in %."""
    published_sets: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Method to its published score in %, by the names of the sets asked for that have one."""


@dataclass(frozen=True, kw_only=True)
class TransferRecord(RequestedRecord):
    """The transfer suite."""

    KIND: ClassVar[str] = "transfer"
    FILE: ClassVar[str] = "evaluation-transfer.json"
    protocol: str
    """Hash of everything that decides a number."""
    encoder: str
    """Hash of the weights."""
    settings: Tree
    """The protocol's settings."""
    sets: dict[str, SetEntry]
    """By the words that asked for them."""
    asked: tuple[str, ...] = ()
    """Sets of the last call; the summary is of them."""
    summary: dict[str, ModeEntry] = field(default_factory=dict)
    """Mode to its means."""

    @classmethod
    def upgraded(cls, tree: Tree) -> Tree:
        """In format 0 representations and published means stood side by side, and a key had a blank."""
        kept = {key: value for key, value in without_kinds(tree).items() if key != "suite"}
        sets, modes = kept.get("sets"), kept.get("summary")
        if isinstance(sets, dict):
            kept["sets"] = {key: _renamed(value) for key, value in sets.items()}
        if isinstance(modes, dict):
            kept["summary"] = {key: _mode(value) for key, value in modes.items()}
        return kept


def _renamed(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {"not_available" if key == "not available" else key: value for key, value in entry.items()}


def _mode(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    networks = {key: value for key, value in entry.items() if key != "published"}
    return {"networks": networks, "published": entry.get("published", {})}


@dataclass(frozen=True, kw_only=True)
class SimilarityEntry(Entry):
    """One representation on one set of scored pairs."""

    of: str
    """The representation."""
    set: str
    """The set: sts12 to sts16, or stsb."""
    split: str
    """Split that was measured."""
    n: Count | None
    """Pairs."""
    all: float | None
    """Spearman's correlation over the joined subsets."""
    low: float | None
    """Lower end of its interval over pairs."""
    high: float | None
    """Upper end."""
    mean: float | None
    """Plain mean over the subsets."""
    wmean: float | None
    """Mean over the subsets by their size."""
    gain: float | None = None
    """What it has over the reference `TF-IDF`."""
    gain_low: float | None = None
    """Lower end of the paired interval."""
    gain_high: float | None = None
    """Upper end."""
    alignment: float | None = None
    """Mean squared distance of the unit rows of pairs with a score of 4 or more, 0 to 4; None of counts of words."""
    uniformity: float | None = None
    """Log mean exp(-2 |x - y|^2) of the unit rows of all its sentences, 0 to -8; None of counts of words."""


@dataclass(frozen=True, kw_only=True)
class SimilarityRecord(RequestedRecord):
    """The suite of semantic textual similarity."""

    KIND: ClassVar[str] = "similarity"
    FILE: ClassVar[str] = "evaluation-sts.json"
    encoder: str
    """Hash of the weights."""
    pool: str
    """How tokens became one vector."""
    max_length: Count | None
    """Tokens of a sentence that are seen."""
    rows: tuple[SimilarityEntry, ...]
    """A representation and a set each."""
    step: Count | None = None
    """Checkpoint of a run."""
