"""Checks of what is wrong with weights, input, batch and images; each gives a finding or nothing."""

from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.checks.findings import Flaw, SoundCuts
from contrascope.diagnosis.checks.identity import identity_share
from contrascope.diagnosis.signals import Signals


def stopped(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """Training ended early, or values are not finite."""
    del cuts, known
    faults = signals.faults
    if not (faults.stopped or faults.non_finite):
        return None
    values = "value is" if faults.non_finite == 1 else "values are"
    said = [f"Training stopped: {faults.stopped}"] if faults.stopped else []
    said += [f"{faults.non_finite} {values} NaN or infinite."] if faults.non_finite else []
    return Flaw(
        reason="numerical fault",
        sentence=" ".join(said),
        cause="The weights or the loss left the range of numbers: the learning rate is too large for this batch, or "
        "the arithmetic too narrow.",
        next="Divide the learning rate by 10, lengthen the warm-up, or train in float32.",
    )


def initial_weights(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
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
        return Flaw(
            reason="weights at their initial values",
            sentence=f"No weight shows training: {what}.",
            cause=known.untrained,
            next="Check that the file was loaded into this architecture (no ignored keys) and that the encoder's "
            "parameters are trained.",
        )
    if found.part:
        names = ", ".join(found.part[:4]) + (" and more" if len(found.part) > 4 else "")
        return Flaw(
            reason="weights that were not loaded",
            sentence=f"{len(found.part)} of {found.norms} normalisation layers still have the scales and shifts "
            "that they "
            f"are made with: {names}.",
            cause="These layers were not in the file that was loaded, or were frozen before they learnt anything.",
            next="Load again and look at the names of missing keys.",
        )
    return None


def other_input(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """The images come in another range or order of channels than the encoder was trained with."""
    del known
    fit = signals.faults.input
    if fit is None or fit.given <= cuts.input_misfit or fit.least >= cuts.better_input * fit.given:
        return None
    return Flaw(
        reason="another input than it was trained with",
        sentence=f"The images do not fit what batch norm remembers (misfit {fit.given:.2g} nats a channel); as "
        f"{fit.best} "
        f"they fit better ({fit.least:.2g}).",
        cause=f"The encoder was trained with images {fit.best}, and is given others.",
        next="Give the encoder the range, the order of channels and the normalisation that it was trained with.",
    )


def batch_dependent(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """A row changes with the others in its batch."""
    del known
    moved = signals.faults.batch
    if moved is None or moved <= cuts.batch:
        return None
    return Flaw(
        reason="rows depend on their batch",
        sentence=f"An image's row moves by {moved:.2g} of the distance between rows when its batch is another.",
        cause="Something in the network mixes the batch in evaluation mode: batch statistics, a reshape across "
        "images, or "
        "places counted from the batch's start.",
        next="Look for batch norm without running statistics and for views and reshapes that touch the first axis.",
    )


def batch_norm(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """Stored statistics of batch norm are not those of the data."""
    del known
    faults, fit = signals.faults, signals.faults.input
    gap = faults.batch_norm_gap
    if gap is None or fit is None or fit.given <= cuts.misfit or gap <= cuts.batch_norm_gap:
        return None
    return Flaw(
        reason="batch norm does not fit the data",
        sentence=f"Stored and fresh statistics of batch norm give features {gap:.2f} apart (mean squared "
        "distance of unit "
        f"rows, at most 4); the stored ones misfit by {fit.given:.2g} nats a channel.",
        cause="The statistics were not stored, were stored over other images or another input, or lag behind "
        "weights that "
        "moved too fast or for too few steps.",
        next="Recompute the statistics over the training images in training mode, then measure again.",
    )


def dead_units(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """Most outputs are constant."""
    del known
    share = signals.faults.dead_units
    if not cuts.dead_units < share < 1:
        return None
    return Flaw(
        reason="dead units",
        sentence=f"{100 * share:.0f} % of the encoder's outputs are constant.",
        cause="Units died, usually after a step that was too large.",
        next="Lower the learning rate, lengthen the warm-up.",
    )


def unrelated_views(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """Views that came as arrays do not belong to the same images."""
    del known
    layer = signals.h
    share = None if layer is None else identity_share(layer)
    if layer is None or layer.views is None or share is None or signals.faults.batch is not None:
        return None
    if share.high > cuts.independent or layer.views.retrieval.low > 1 / layer.images:
        return None
    return Flaw(
        reason="views that do not belong together",
        sentence="Two views of an image are as far apart as views of two images: "
        f"{100 * max(0.0, share.high):.0f} % of the "
        "variance at most lies between images.",
        cause="The rows of the views are in another order, or the views share nothing.",
        next="Check that row i of every view is image i.",
    )


def copied_images(signals: Signals, cuts: SoundCuts, known: Known) -> Flaw | None:
    """Most images stand twice in the set."""
    del known
    share = signals.faults.copies
    if share <= cuts.copies:
        return None
    return Flaw(
        reason="near copies among the images",
        sentence=f"{100 * share:.0f} % of the images have a copy among the others, equal but for 0.5 % of their "
        "variance.",
        cause="The set holds frames of one film, or the same files twice: copies are negatives of each other "
        "in training, "
        "and wrong answers in retrieval.",
        next="Keep one image of each group, then measure again.",
    )
