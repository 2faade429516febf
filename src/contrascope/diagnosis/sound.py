"""Is it sound? Faults and collapse, each decidable without labels; the cause that explains most comes first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contrascope.diagnosis.causes import Known, collapse_cause
from contrascope.diagnosis.identity import NOTHING, identity_share
from contrascope.diagnosis.signals import FEW, LayerSignals, Signals
from contrascope.diagnosis.verdict import Answer
from contrascope.records.vocabulary import SoundWord


@dataclass(frozen=True, kw_only=True)
class SoundCuts:
    """Where the checks cut; `benchmarks/verdict.py` tries them with each data set and each kind of fault left out."""

    dead_units: float = 0.5
    """Largest share of constant encoder outputs."""
    distinct: float = 0.5
    """Smallest share of distinct rows."""
    misfit: float = 0.15
    """Largest misfit of batch norm's stored statistics, nats a channel, ..."""
    batch_norm_gap: float = 0.3
    """... and mean squared distance, of 4, between features by stored and by batch statistics."""
    better_input: float = 0.25
    """Another input is named where its misfit is less than this share of the given one's, ..."""
    input_misfit: float = 0.01
    """... and the given one's is above this, in nats."""
    batch: float = 0.1
    """Largest move of a row with its batch, over the distance of rows."""
    spread: float = 1e-3
    """Smallest variance of unit rows; the reference's tenth, where that is less."""
    directions: float = 0.45
    """Smallest centred RankMe of the encoder as a share of its twin's, ..."""
    projector_directions: float = 0.36
    """... and of the projector, which is there to forget."""
    rank: float = 2.5
    """Smallest effective rank of a layer without a twin, ..."""
    rank_share: float = 0.6
    """... unless it is more than this share of the reference's."""
    modes: float = 0.99
    """Largest share of the encoder's variance between 8 clusters; an arc reaches 0.985, a circle 0.95."""
    copies: float = 0.5
    """Largest share of images with a near copy."""
    independent: float = 0.02
    """Identity share below which views given as arrays are called unrelated."""


CUTS = SoundCuts()
NARROWEST = 2
"""Outputs of a layer that has no direction to lose."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    reason: str
    """In a few words."""
    sentence: str
    """With the number that shows it."""
    cause: str = ""
    """What it comes from; empty: not known."""
    next: str = ""
    """What to do."""


Check = Callable[[Signals, SoundCuts, Known], Finding | None]


def is_sound(signals: Signals, known: Known, cuts: SoundCuts = CUTS) -> Answer[SoundWord]:
    """Every check is made; the first finding names the answer, all give evidence."""
    found = [one for check in CHECKS if (one := check(signals, cuts, known)) is not None]
    if not found:
        return Answer(word="sound", evidence=(_looked_at(signals),))
    first = found[0]
    return Answer(
        word="unsound",
        reason=first.reason,
        evidence=tuple(one.sentence for one in found),
        cause=first.cause,
        next=first.next,
    )


def _looked_at(signals: Signals) -> str:
    layer, faults = signals.h, signals.faults
    assert layer is not None
    parts = [
        f"all values are finite, {100 * (1 - faults.dead_units):.0f} % of the outputs alive, "
        f"{100 * faults.distinct:.0f} % of the rows distinct, effective rank {layer.effective_rank:.1f} of {layer.dim}"
    ]
    if faults.input is not None:
        parts.append(f"the input fits what batch norm remembers (misfit {faults.input.given:.2g} nats)")
    if faults.batch is not None:
        parts.append("rows do not depend on their batch")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def stopped(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """Training ended early, or values are not finite."""
    del cuts, known
    faults = signals.faults
    if not (faults.stopped or faults.non_finite):
        return None
    values = "value is" if faults.non_finite == 1 else "values are"
    said = [f"Training stopped: {faults.stopped}"] if faults.stopped else []
    said += [f"{faults.non_finite} {values} NaN or infinite."] if faults.non_finite else []
    return Finding(
        reason="numerical fault",
        sentence=" ".join(said),
        cause="The weights or the loss left the range of numbers: the learning rate is too large for this batch, or "
        "the arithmetic too narrow.",
        next="Divide the learning rate by 10, lengthen the warm-up, or train in float32.",
    )


def initial_weights(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """Nothing was trained, or nothing was loaded; or a part was not."""
    del cuts
    found = signals.faults.initial
    if found is None:
        return None
    if found.all:
        what = (
            f"all {found.norms} normalisation layers have the scales and shifts that they are made with"
            if found.norms
            else f"all {found.tensors} large weights follow the law that they are drawn by"
        )
        return Finding(
            reason="weights at their initial values",
            sentence=f"No weight shows training: {what}.",
            cause=known.untrained,
            next="Check that the file was loaded into this architecture (no ignored keys) and that the encoder's "
            "parameters are trained.",
        )
    if found.part:
        names = ", ".join(found.part[:4]) + (" and more" if len(found.part) > 4 else "")
        return Finding(
            reason="weights that were not loaded",
            sentence=f"{len(found.part)} of {found.norms} normalisation layers still have the scales and shifts "
            "that they "
            f"are made with: {names}.",
            cause="These layers were not in the file that was loaded, or were frozen before they learnt anything.",
            next="Load again and look at the names of missing keys.",
        )
    return None


def other_input(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """The images come in another range or order of channels than the encoder was trained with."""
    del known
    fit = signals.faults.input
    if fit is None or fit.given <= cuts.input_misfit or fit.least >= cuts.better_input * fit.given:
        return None
    return Finding(
        reason="another input than it was trained with",
        sentence=f"The images do not fit what batch norm remembers (misfit {fit.given:.2g} nats a channel); as "
        f"{fit.best} "
        f"they fit better ({fit.least:.2g}).",
        cause=f"The encoder was trained with images {fit.best}, and is given others.",
        next="Give the encoder the range, the order of channels and the normalisation that it was trained with.",
    )


def batch_dependent(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """A row changes with the others in its batch."""
    del known
    moved = signals.faults.batch
    if moved is None or moved <= cuts.batch:
        return None
    return Finding(
        reason="rows depend on their batch",
        sentence=f"An image's row moves by {moved:.2g} of the distance between rows when its batch is another.",
        cause="Something in the network mixes the batch in evaluation mode: batch statistics, a reshape across "
        "images, or "
        "places counted from the batch's start.",
        next="Look for batch norm without running statistics and for views and reshapes that touch the first axis.",
    )


def batch_norm(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """Stored statistics of batch norm are not those of the data."""
    del known
    faults, fit = signals.faults, signals.faults.input
    gap = faults.batch_norm_gap
    if gap is None or fit is None or fit.given <= cuts.misfit or gap <= cuts.batch_norm_gap:
        return None
    return Finding(
        reason="batch norm does not fit the data",
        sentence=f"Stored and fresh statistics of batch norm give features {gap:.2f} apart (mean squared "
        "distance of unit "
        f"rows, at most 4); the stored ones misfit by {fit.given:.2g} nats a channel.",
        cause="The statistics were not stored, were stored over other images or another input, or lag behind "
        "weights that "
        "moved too fast or for too few steps.",
        next="Recompute the statistics over the training images in training mode, then measure again.",
    )


def dead_units(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """Most outputs are constant."""
    del known
    share = signals.faults.dead_units
    if not cuts.dead_units < share < 1:
        return None
    return Finding(
        reason="dead units",
        sentence=f"{100 * share:.0f} % of the encoder's outputs are constant.",
        cause="Units died, usually after a step that was too large.",
        next="Lower the learning rate, lengthen the warm-up.",
    )


def one_direction(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """All rows of a layer point one way: collapsed, or with a constant that hides what is left."""
    for name, layer, reference in _layers(signals):
        least = cuts.spread if reference is None else min(cuts.spread, max(NOTHING, 0.1 * reference.spread))
        if layer.spread >= least:
            continue
        beside = "" if reference is None else f"; the reference has {reference.spread:.2g}"
        sentence = f"All rows of the {name} point one way: their variance is {layer.spread:.2g}{beside}"
        if layer.effective_rank >= cuts.rank:
            return Finding(
                reason="a constant offset",
                sentence=f"{sentence}. Without their mean they vary in {layer.effective_rank:.1f} directions.",
                cause="A constant vector is added to every row and outweighs what differs between images.",
                next="Subtract the mean of the rows before they are compared.",
            )
        cause = collapse_cause("complete collapse", signals, known)
        return Finding(
            reason="complete collapse", sentence=f"{sentence}.", cause=cause.cause, next=cause.next
        )
    return None


def few_points(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """The rows sit at a few points, exactly or nearly."""
    layer = signals.h
    if layer is None or layer.images <= FEW:
        return None
    cause = collapse_cause("cluster collapse", signals, known)
    if signals.faults.distinct < cuts.distinct:
        points = max(1, round(signals.faults.distinct * layer.images))
        return Finding(
            reason="few distinct rows",
            sentence=f"{layer.images} images have {points} distinct rows.",
            cause=cause.cause,
            next=cause.next,
        )
    if layer.modes > cuts.modes:
        reference = signals.reference_h
        beside = "" if reference is None else f" The reference has {100 * reference.modes:.0f} %."
        return Finding(
            reason="cluster collapse",
            sentence=f"{100 * layer.modes:.0f} % of the variance of the encoder lies between 8 points: "
            f"{layer.images} images share a few modes.{beside}",
            cause=cause.cause,
            next=cause.next,
        )
    return None


def few_directions(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """A few directions carry what varies: fewer than at random weights, which may have few themselves."""
    for name, layer, reference in _layers(signals):
        beside_twin = reference is not None and signals.learning is not None and layer.dim > NARROWEST
        sentence = _lost(name, layer, reference, cuts) if beside_twin else _thin(name, layer, reference, cuts)
        if sentence:
            cause = collapse_cause("dimensional collapse", signals, known)
            return Finding(
                reason="dimensional collapse", sentence=sentence, cause=cause.cause, next=cause.next
            )
    return None


def _lost(name: str, layer: LayerSignals, twin: LayerSignals | None, cuts: SoundCuts) -> str:
    """Directions that the twin uses and the layer does not."""
    assert twin is not None
    least = cuts.directions if name == "encoder" else cuts.projector_directions
    if layer.rankme_centred >= least * twin.rankme_centred:
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


def unrelated_views(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """Views that came as arrays do not belong to the same images."""
    del known
    layer = signals.h
    share = None if layer is None else identity_share(layer)
    if layer is None or layer.views is None or share is None or signals.faults.batch is not None:
        return None
    if share.high > cuts.independent or layer.views.retrieval.low > 1 / layer.images:
        return None
    return Finding(
        reason="views that do not belong together",
        sentence="Two views of an image are as far apart as views of two images: "
        f"{100 * max(0.0, share.high):.0f} % of the "
        "variance at most lies between images.",
        cause="The rows of the views are in another order, or the views share nothing.",
        next="Check that row i of every view is image i.",
    )


def copied_images(signals: Signals, cuts: SoundCuts, known: Known) -> Finding | None:
    """Most images stand twice in the set."""
    del known
    share = signals.faults.copies
    if share <= cuts.copies:
        return None
    return Finding(
        reason="near copies among the images",
        sentence=f"{100 * share:.0f} % of the images have a copy among the others, equal but for 0.5 % of their "
        "variance.",
        cause="The set holds frames of one film, or the same files twice: copies are negatives of each other "
        "in training, "
        "and wrong answers in retrieval.",
        next="Keep one image of each group, then measure again.",
    )


CHECKS: tuple[Check, ...] = (
    stopped,
    initial_weights,
    other_input,
    batch_dependent,
    batch_norm,
    dead_units,
    few_points,
    one_direction,
    few_directions,
    unrelated_views,
    copied_images,
)
"""First to last: what explains most comes first."""


def _layers(signals: Signals) -> Iterator[tuple[str, LayerSignals, LayerSignals | None]]:
    if signals.h is not None:
        yield "encoder", signals.h, signals.reference_h
    if signals.z is not None:
        yield "projector", signals.z, signals.reference_z
