"""The rules of the verdict, in the order in which one fault hides another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contrascope.diagnosis.signals import FEW, LayerSignals, Signals
from contrascope.intervals import Estimate
from contrascope.records.vocabulary import Word


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where the rules cut; `benchmarks/verdict.py` shows on which runs they were found and tried."""

    dead_units: float = 0.5
    """Largest share of constant encoder outputs."""
    batch_norm_gap: float = 0.5
    """Largest mean squared distance, of 4, between stored and batch statistics of batch norm."""
    spread: float = 1e-3
    """Smallest variance of unit rows; the reference's tenth, where that is less."""
    rank: float = 5.0
    """Smallest effective rank of the encoder, ..."""
    projector_rank: float = 3.0
    """... and of the projector, which is there to forget, ..."""
    rank_share: float = 0.6
    """... unless it is more than this share of the reference's."""
    modes: float = 0.99
    """Largest share of the encoder's variance between 8 clusters; an arc reaches 0.985, a circle 0.95."""
    explained: float = 0.55
    """Largest share of the encoder's variance that trivial statistics explain ..."""
    explained_share: float = 0.85
    """... unless it is less than this share of the reference's: training has turned to something else."""
    identity_gain: float = 0.1
    """How far the identity share must rise above the reference's where retrieval does not tell them apart."""


THRESHOLDS = Thresholds()
NOTHING = 1e-9
"""Variance of unit rows that is rounding, whatever the reference has."""


@dataclass(frozen=True, kw_only=True)
class RuleWord:
    """A rule's answer."""

    word: Word
    """The verdict."""
    evidence: tuple[str, ...]
    """Sentences with numbers."""


Rule = Callable[[Signals, Thresholds], RuleWord | None]


def fault(signals: Signals, cut: Thresholds) -> RuleWord | None:
    """NaN, a stopped run, dead units, batch norm far from the data."""
    faults, evidence = signals.faults, []
    if faults.stopped:
        evidence.append(f"Training stopped: {faults.stopped}")
    if faults.non_finite:
        values = "value is" if faults.non_finite == 1 else "values are"
        evidence.append(f"{faults.non_finite} {values} NaN or infinite.")
    if faults.dead_units > cut.dead_units and faults.dead_units < 1:
        evidence.append(f"{100 * faults.dead_units:.0f} % of the encoder's outputs are constant.")
    if faults.batch_norm_gap is not None and faults.batch_norm_gap > cut.batch_norm_gap:
        evidence.append(
            f"Stored and fresh statistics of batch norm give features {faults.batch_norm_gap:.2f} apart "
            "(mean squared distance of unit rows, at most 4)."
        )
    return RuleWord(word="numerical fault", evidence=tuple(evidence)) if evidence else None


def complete_collapse(signals: Signals, cut: Thresholds) -> RuleWord | None:
    """All rows of a layer point one way."""
    for name, layer, reference in _layers(signals):
        least = cut.spread if reference is None else min(cut.spread, max(NOTHING, 0.1 * reference.spread))
        if layer.spread < least:
            beside = "" if reference is None else f"; the reference has {reference.spread:.2g}"
            sentence = f"All rows of the {name} point one way: their variance is {layer.spread:.2g}{beside}."
            return RuleWord(word="complete collapse", evidence=(sentence,))
    return None


def dimensional_collapse(signals: Signals, cut: Thresholds) -> RuleWord | None:
    """A few directions carry all the variance, fewer than at random weights, which may have few themselves."""
    for name, layer, reference in _layers(signals):
        rank, least = layer.effective_rank, cut.rank if name == "encoder" else cut.projector_rank
        fewer = reference is None or rank < cut.rank_share * reference.effective_rank or layer.dim <= 2
        if rank < least and fewer:
            beside = "" if reference is None else f" The reference has {reference.effective_rank:.1f}."
            sentence = (
                f"{rank:.1f} of {layer.dim} directions carry the variance of the {name} "
                f"(effective rank; participation ratio {layer.participation_ratio:.1f}).{beside}"
            )
            return RuleWord(word="dimensional collapse", evidence=(sentence,))
    return None


def cluster_collapse(signals: Signals, cut: Thresholds) -> RuleWord | None:
    """The rows sit at a few points."""
    for name, layer, reference in _layers(signals):
        if name == "encoder" and layer.images > FEW and layer.modes > cut.modes:
            beside = "" if reference is None else f" The reference has {100 * reference.modes:.0f} %."
            sentence = (
                f"{100 * layer.modes:.0f} % of the variance of the {name} lies between 8 points: "
                f"{layer.images} images share a few modes.{beside}"
            )
            return RuleWord(word="cluster collapse", evidence=(sentence,))
    return None


def shortcut(signals: Signals, cut: Thresholds) -> RuleWord | None:
    """Trivial statistics explain the encoder."""
    layer, reference = signals.h, signals.reference_h
    if layer is None or layer.shortcut is None or layer.shortcut.explained.low <= cut.explained:
        return None
    beside = ""
    if reference is not None and reference.shortcut is not None:
        at_random = reference.shortcut.explained.value
        if layer.shortcut.explained.value < cut.explained_share * at_random:
            return None
        beside = f" Of the reference they explain {100 * at_random:.0f} %."
    sentence = (
        f"Mean, contrast and sharpness of a view explain {100 * layer.shortcut.explained.value:.0f} % of the "
        f"encoder's variance.{beside}"
    )
    return RuleWord(word="over-invariant or shortcut", evidence=(sentence,))


def not_learning(signals: Signals, cut: Thresholds) -> RuleWord | None:
    """A view finds its image no better than with random weights, and images are no farther apart than views."""
    pair = _views(signals)
    if pair is None:
        return None
    trained, random = pair
    if trained.retrieval.low > random.retrieval.high:
        return None
    if trained.identity.low > random.identity.high + cut.identity_gain:
        return None
    return RuleWord(word="not learning", evidence=_learnt(signals, trained, random))


def healthy_or_undecided(signals: Signals, cut: Thresholds) -> RuleWord:
    """Healthy if it beats its random encoder; undecided where there is none, or no views."""
    del cut
    pair = _views(signals)
    if pair is None:
        sentence = (
            "No collapse is seen; whether it learnt anything cannot be said: there is no random encoder with the "
            "same views beside it."
        )
        return RuleWord(word="undecided", evidence=(sentence,))
    nothing = "No collapse, no shortcut through trivial statistics, no numerical fault."
    return RuleWord(word="healthy", evidence=(*_learnt(signals, *pair), nothing))


@dataclass(frozen=True, kw_only=True)
class _Views:
    """The two signals of learning, of one encoder."""

    retrieval: Estimate
    identity: Estimate


def identity_share(layer: LayerSignals) -> Estimate | None:
    """Share of the variance of unit rows that lies between images rather than between views of one.

    The intraclass correlation with images as classes, 1 - L_align / (2 x variance), at most 1; about 0 where views of
    one image are as far apart as views of two. The interval is that of alignment. None without views or variance.
    Unlike retrieval it does not fall where the views leave nothing but a class to recognise.
    """
    if layer.views is None or layer.spread < NOTHING:
        return None
    value, low, high = (
        1 - distance / (2 * layer.spread)
        for distance in (layer.views.alignment.value, layer.views.alignment.high, layer.views.alignment.low)
    )
    return Estimate(value=value, low=low, high=high)


def _learnt(signals: Signals, trained: _Views, random: _Views) -> tuple[str, str]:
    images = "" if signals.h is None else f" of {signals.h.images} images"
    found, reference = trained.retrieval, random.retrieval
    return (
        f"A view finds another view of its image first for {100 * found.value:.1f} %{images} "
        f"[{100 * found.low:.1f}, {100 * found.high:.1f}]; the random encoder reaches {100 * reference.value:.1f} % "
        f"[{100 * reference.low:.1f}, {100 * reference.high:.1f}].",
        f"{100 * trained.identity.value:.0f} % of the variance lies between images rather than between views of one; "
        f"of the random encoder's {100 * random.identity.value:.0f} %.",
    )


RULES: tuple[Rule, ...] = (
    fault,
    complete_collapse,
    cluster_collapse,
    dimensional_collapse,
    not_learning,
    shortcut,
    healthy_or_undecided,
)
"""First to last."""


def _layers(signals: Signals) -> Iterator[tuple[str, LayerSignals, LayerSignals | None]]:
    if signals.h is not None:
        yield "encoder", signals.h, signals.reference_h
    if signals.z is not None:
        yield "projector", signals.z, signals.reference_z


def _views(signals: Signals) -> tuple[_Views, _Views] | None:
    found = []
    for layer in (signals.h, signals.reference_h):
        identity = None if layer is None else identity_share(layer)
        if layer is None or layer.views is None or identity is None:
            return None
        found.append(_Views(retrieval=layer.views.retrieval, identity=identity))
    return found[0], found[1]
