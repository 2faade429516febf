"""What a verdict probably comes from, in the method's own settings, and what to try next."""

from dataclasses import dataclass

from contrascope.diagnosis.signals import Signals
from contrascope.methods.joint.barlow_twins_settings import BarlowTwinsSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.joint.vicreg_settings import VICRegSettings
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.predict.simsiam_settings import SimSiamSettings
from contrascope.methods.settings import MethodSettings

NO_OP = 0.9
"""Share of images with equal views above which the augmentation is called a no-op."""
HOT, COLD = 5.0, 0.02
"""Temperatures above and below which NT-Xent is suspected."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Likely cause and next step."""

    cause: str
    """What probably went wrong; empty if nothing did."""
    next: str
    """One thing to try."""


def advice(word: str, signals: Signals, method: MethodSettings | None) -> Advice:
    """Cause and next step for a verdict; without a method's settings it stays general.

    The settings explain a finding; they never make one.
    """
    if word == "healthy":
        return Advice(cause="", next="Evaluate it on your task: contrascope evaluate.")
    if word == "undecided" and signals.reference_h is None:
        return Advice(
            cause="The encoder has no weights that could be drawn at random: nothing says what training taught it.",
            next="Compare it with raw pixels on a few labels: contrascope evaluate ENCODER DATA.",
        )
    if word == "undecided":
        return Advice(
            cause="An array alone can show a collapse; learning shows only beside random weights on the same views.",
            next="Diagnose the encoder with its images: contrascope diagnose ENCODER DATA.",
        )
    if word == "numerical fault":
        return _fault(signals)
    if signals.equal_views > NO_OP:
        return Advice(
            cause=f"The policy changes nothing on {100 * signals.equal_views:.0f} % of these images: "
            "every image is its own positive, and alignment teaches nothing.",
            next="Give a policy that acts on this data: larger crops, stronger colour or geometry.",
        )
    if word == "over-invariant or shortcut":
        return Advice(
            cause="Colour, brightness or sharpness survive the augmentation in both views, and suffice to tell "
            "images apart.",
            next="Distort what is left in the views: stronger colour distortion (d), colour dropping (c), "
            "smaller crops; or cut the background away.",
        )
    if word == "not learning":
        return _not_learning(method)
    return _collapse(word, signals, method)


def _fault(signals: Signals) -> Advice:
    faults = signals.faults
    if faults.stopped or faults.non_finite:
        return Advice(
            cause="The weights or the loss left the range of numbers: the learning rate is too large for this "
            "batch, or the arithmetic too narrow.",
            next="Divide the learning rate by 10, lengthen the warm-up, or train in float32.",
        )
    if faults.batch_norm_gap is not None and faults.dead_units < 0.5:
        return Advice(
            cause="The stored statistics of batch norm are not those of the data: too few steps, too small a "
            "batch, or a learning rate that outruns the running mean.",
            next="Train longer, lower the learning rate, or recompute the statistics over the training set.",
        )
    return Advice(
        cause="Most outputs are constant: units died, usually after a step that was too large.",
        next="Lower the learning rate, lengthen the warm-up.",
    )


def _not_learning(method: MethodSettings | None) -> Advice:
    if method is None:
        return Advice(
            cause="On these images the weights are as good as random ones: they were not trained or not loaded, they "
            "expect another input (side, range, normalisation), or the policy leaves nothing to find.",
            next="Check where the weights come from and what input they expect; then look at the views.",
        )
    cause = (
        "The representation is no better than untrained weights: the learning rate is near 0, the training too "
        "short, or the views share nothing that could be learnt (an augmentation that destroys the image)."
    )
    if isinstance(method, SimCLRSettings | MoCoSettings):
        cause = _temperature(method) or cause
    return Advice(
        cause=cause, next="Look at the views first; then raise the learning rate or weaken the crop."
    )


def _temperature(method: SimCLRSettings | MoCoSettings) -> str:
    if method.temperature > HOT:
        return (
            f"The temperature {method.temperature:g} flattens the softmax: all negatives weigh the same, and the "
            "loss is the linear one, which asks for a zero mean only."
        )
    if method.temperature < COLD:
        return (
            f"The temperature {method.temperature:g} lets only the nearest negative count: the gradient is that "
            "of one pair."
        )
    return ""


def _collapse(word: str, signals: Signals, method: MethodSettings | None) -> Advice:
    if isinstance(method, SimCLRSettings | MoCoSettings):
        narrow = signals.z is not None and signals.z.dim < 8
        cause = _temperature(method) or (
            f"The projector puts out {signals.z.dim} numbers: there is no room to keep images apart."
            if narrow and signals.z is not None
            else "The negatives do not push: the batch is too small, the learning rate too large, or the loss "
            "is not the softmax one."
        )
        next_ = "Widen the projector." if narrow else "Set the temperature between 0.1 and 0.5."
        return Advice(cause=cause, next=next_)
    if isinstance(method, SimSiamSettings):
        return Advice(
            cause="Nothing holds the outputs apart: the stop-gradient is missing, the predictor is too weak or "
            "learns too slowly, or the projector's last batch norm is off.",
            next="Check that the target is detached; raise the predictor's learning rate; keep batch norm on "
            "the projector's output.",
        )
    if isinstance(method, BYOLSettings):
        return Advice(
            cause="Online and target network agree on a constant: the predictor is missing or too weak, or the "
            "target follows too fast.",
            next=f"Use a predictor with a hidden layer and batch norm; raise ema_decay above "
            f"{method.ema_decay:g}.",
        )
    if isinstance(method, VICRegSettings):
        return Advice(
            cause=f"The weights (invariance {method.invariance:g}, variance {method.variance:g}, covariance "
            f"{method.covariance:g}) let the outputs shrink or move together.",
            next="Go back to 25, 25 and 1; raise the variance weight against complete collapse, the covariance "
            "weight against lost dimensions.",
        )
    if isinstance(method, BarlowTwinsSettings):
        return Advice(
            cause=f"The redundancy weight {method.redundancy:g} does not keep the dimensions apart.",
            next="Set redundancy near 5e-3, and batch norm on the projector's output.",
        )
    return Advice(
        cause="Nothing in the training keeps different images apart.",
        next="Use a loss with negatives, or with variance and covariance terms; lower the learning rate.",
    )
