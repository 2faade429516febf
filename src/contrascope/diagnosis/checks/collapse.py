"""Checks of collapse: one direction, a few points, a few directions."""

from collections.abc import Iterator

from contrascope.diagnosis.causes import Known, collapse_cause
from contrascope.diagnosis.checks.findings import CUTS, NARROWEST, Flaw, SoundCuts
from contrascope.diagnosis.checks.identity import NOTHING
from contrascope.diagnosis.signals import FEW, LayerSignals, Signals

DIMENSIONAL = "dimensional collapse"
"""The reason that a few directions are called by."""


def one_direction(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """All rows of a layer point one way: collapsed, or with a constant that hides what is left."""
    for name, layer, reference in _layers(signals):
        least = cuts.spread if reference is None else min(cuts.spread, max(NOTHING, 0.1 * reference.spread))
        if layer.spread >= least:
            continue
        beside = "" if reference is None else f"; the reference has {reference.spread:.2g}"
        sentence = f"All rows of the {name} point one way: their variance is {layer.spread:.2g}{beside}"
        if layer.effective_rank >= cuts.rank:
            return Flaw(
                reason="a constant offset",
                sentence=f"{sentence}. Without their mean they vary in {layer.effective_rank:.1f} directions.",
                cause="A constant vector is added to every row and outweighs what differs between images.",
                next="Subtract the mean of the rows before they are compared.",
            )
        cause = collapse_cause("complete collapse", signals, known)
        return Flaw(reason="complete collapse", sentence=f"{sentence}.", cause=cause.cause, next=cause.next)
    return None


def few_points(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """The rows sit at a few points, exactly or nearly."""
    layer = signals.h
    if layer is None or layer.images <= FEW:
        return None
    cause = collapse_cause("cluster collapse", signals, known)
    if signals.faults.distinct < cuts.distinct:
        points = max(1, round(signals.faults.distinct * layer.images))
        return Flaw(
            reason="few distinct rows",
            sentence=f"{layer.images} images have {points} distinct rows.",
            cause=cause.cause,
            next=cause.next,
        )
    if layer.modes > cuts.modes:
        reference = signals.reference_h
        beside = "" if reference is None else f" The reference has {100 * reference.modes:.0f} %."
        return Flaw(
            reason="cluster collapse",
            sentence=f"{100 * layer.modes:.0f} % of the variance of the encoder lies between 8 points: "
            f"{layer.images} images share a few modes.{beside}",
            cause=cause.cause,
            next=cause.next,
        )
    return None


def few_directions(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """A few directions carry what varies: fewer than at random weights, which may have few themselves."""
    for name, layer, reference in _layers(signals):
        beside_twin = _beside_twin(signals, layer, reference)
        sentence = _lost(name, layer, reference, cuts) if beside_twin else _thin(name, layer, reference, cuts)
        if sentence:
            cause = collapse_cause(DIMENSIONAL, signals, known)
            return Flaw(reason=DIMENSIONAL, sentence=sentence, cause=cause.cause, next=cause.next)
    return None


def directions_left(signals: Signals, cuts: SoundCuts = CUTS) -> float | None:
    """Directions over the fewest that are sound, of the layer that lacks most; None without a layer.

    Beside a twin those of `few_directions`; else the effective rank over the cut.
    """
    found = [
        layer.rankme_centred / max(_fewest(name, reference, cuts), 1e-9)
        if _beside_twin(signals, layer, reference)
        else layer.effective_rank / cuts.rank
        for name, layer, reference in _layers(signals)
    ]
    return min(found, default=None)


def _beside_twin(signals: Signals, layer: LayerSignals, reference: LayerSignals | None) -> bool:
    return reference is not None and signals.learning is not None and layer.dim > NARROWEST


def _fewest(name: str, twin: LayerSignals | None, cuts: SoundCuts) -> float:
    """The fewest directions of a layer beside its twin."""
    assert twin is not None
    return (cuts.directions if name == "encoder" else cuts.projector_directions) * twin.rankme_centred


def _lost(name: str, layer: LayerSignals, twin: LayerSignals | None, cuts: SoundCuts) -> str:
    """Directions that the twin uses and the layer does not."""
    assert twin is not None
    if layer.rankme_centred >= _fewest(name, twin, cuts):
        return ""
    return (
        f"Of {layer.dim} directions the {name} uses {layer.rankme_centred:.1f}, at random weights "
        f"{twin.rankme_centred:.1f} (RankMe of centred unit rows)."
    )


def _thin(name: str, layer: LayerSignals, reference: LayerSignals | None, cuts: SoundCuts) -> str:
    """Hardly any direction at all, of a layer without a twin or too narrow to lose some."""
    rank = layer.effective_rank
    fewer = reference is None or rank < cuts.rank_share * reference.effective_rank
    if rank >= cuts.rank or not (fewer or layer.dim <= NARROWEST):
        return ""
    beside = "" if reference is None else f" The reference has {reference.effective_rank:.1f}."
    return (
        f"{rank:.1f} of {layer.dim} directions carry the variance of the {name} (effective rank; "
        f"participation ratio {layer.participation_ratio:.1f}).{beside}"
    )


def _layers(signals: Signals) -> Iterator[tuple[str, LayerSignals, LayerSignals | None]]:
    if signals.h is not None:
        yield "encoder", signals.h, signals.reference_h
    if signals.z is not None:
        yield "projector", signals.z, signals.reference_z
