"""What a verdict probably comes from, in the method's own settings, and what to try next."""

from dataclasses import dataclass

from contrascope.diagnosis.signals import Signals
from contrascope.methods.settings import MethodSettings

NO_OP = 0.9
"""Share of images with equal views above which the augmentation is called a no-op."""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """Likely cause and next step."""

    cause: str
    """What probably went wrong; empty if nothing did."""
    next: str
    """One thing to try."""


def advice(word: str, signals: Signals, method: MethodSettings | None) -> Remedy:
    """Cause and next step for a verdict; without a method's settings it stays general.

    The settings explain a finding; they never make one.
    """
    if word == "healthy":
        return Remedy(cause="", next="Evaluate it on your task: contrascope evaluate.")
    if word == "undecided":
        return Remedy(
            cause="An array alone can show a collapse; learning shows only beside random weights on the same views.",
            next="Diagnose the encoder with its images: contrascope diagnose ENCODER DATA.",
        )
    if word == "numerical fault":
        return _fault(signals)
    if signals.equal_views > NO_OP:
        return Remedy(
            cause=f"The policy changes nothing on {100 * signals.equal_views:.0f} % of these images: "
            "every image is its own positive, and alignment teaches nothing.",
            next="Give a policy that acts on this data: larger crops, stronger colour or geometry.",
        )
    if word == "over-invariant or shortcut":
        return Remedy(
            cause="Colour, brightness or sharpness survive the augmentation in both views, and suffice to tell "
            "images apart.",
            next="Distort what is left in the views: stronger colour distortion (d), colour dropping (c), "
            "smaller crops; or cut the background away.",
        )
    if word == "not learning":
        return _not_learning(signals, method)
    return _collapse(word, signals, method)


def _fault(signals: Signals) -> Remedy:
    faults = signals.faults
    if faults.stopped or faults.non_finite:
        return Remedy(
            cause="The weights or the loss left the range of numbers: the learning rate is too large for this "
            "batch, or the arithmetic too narrow.",
            next="Divide the learning rate by 10, lengthen the warm-up, or train in float32.",
        )
    if faults.batch_norm_gap is not None and faults.dead_units < 0.5:
        return Remedy(
            cause="The stored statistics of batch norm are not those of the data: too few steps, too small a "
            "batch, or a learning rate that outruns the running mean.",
            next="Train longer, lower the learning rate, or recompute the statistics over the training set.",
        )
    return Remedy(
        cause="Most outputs are constant: units died, usually after a step that was too large.",
        next="Lower the learning rate, lengthen the warm-up.",
    )


def _not_learning(signals: Signals, method: MethodSettings | None) -> Remedy:
    if method is None:
        return Remedy(
            cause="On these images the weights are as good as random ones: they were not trained or not loaded, they "
            "expect another input (side, range, normalisation), or the policy leaves nothing to find.",
            next="Check where the weights come from and what input they expect; then look at the views.",
        )
    general = Remedy(
        cause="The representation is no better than untrained weights: the learning rate is near 0, the training too "
        "short, or the views share nothing that could be learnt (an augmentation that destroys the image).",
        next="Look at the views first; then raise the learning rate or weaken the crop.",
    )
    return _hinted("not learning", signals, method, general)


def _collapse(word: str, signals: Signals, method: MethodSettings | None) -> Remedy:
    general = Remedy(
        cause="Nothing in the training keeps different images apart.",
        next="Use a loss with negatives, or with variance and covariance terms; lower the learning rate.",
    )
    return _hinted(word, signals, method, general)


def _hinted(word: str, signals: Signals, method: MethodSettings | None, general: Remedy) -> Remedy:
    """What the method's settings know of the verdict, and the general advice where they know nothing."""
    hint = None if method is None else method.hint(word, _plain(signals))
    if hint is None:
        return general
    return Remedy(cause=hint.cause, next=hint.next or general.next)


def _plain(signals: Signals) -> dict[str, float]:
    """The numbers that a method's hint may look at, by their paths in the record."""
    layers = {"h": signals.h, "z": signals.z}
    found = {f"{name}.dim": float(layer.dim) for name, layer in layers.items() if layer is not None}
    return found | {"equal_views": signals.equal_views}
