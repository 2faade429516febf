"""What an answer probably comes from, in settings that were looked at, and what to try next."""

from collections.abc import Iterator
from dataclasses import dataclass

from contrascope.diagnosis.signals import Signals
from contrascope.methods.settings import MethodSettings

NO_OP = 0.9
"""Share of images with equal views above which the augmentation is called a no-op."""
RATES: dict[str, tuple[float, float]] = {
    "adamw": (1e-5, 0.02),
    "sgd": (1e-4, 5.0),
    "lars": (1e-2, 50.0),
    "muon": (1e-5, 0.02),
}
"""Usual learning rates by optimiser, from which to which; of Muon that of what is no kernel."""
DECAYS: dict[str, float] = {"adamw": 0.5, "sgd": 0.05, "lars": 0.05, "muon": 0.5}
"""Largest usual weight decay by optimiser."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a training; nothing of a foreign encoder."""

    method: MethodSettings | None = None
    """The method's settings."""
    optimiser: str = ""
    """adamw, muon, sgd or lars; empty: not known."""
    rate: float | None = None
    """Peak learning rate."""
    decay: float | None = None
    """Weight decay."""

    @property
    def untrained(self) -> str:
        """Why weights may sit at their initial values."""
        if self.rate is not None and self.optimiser in RATES and self.rate < RATES[self.optimiser][0]:
            return f"The learning rate {self.rate:g} is too small to move anything."
        if self.method is None:
            return "The weights were never loaded, or the encoder was never trained."
        return "The encoder's parameters are frozen, not handed to the optimiser, or not yet trained."


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """Likely cause and next step."""

    cause: str
    """What probably went wrong; empty if nothing did."""
    next: str
    """One thing to try."""


def collapse_cause(word: str, signals: Signals, known: Known) -> Remedy:
    """Cause of a collapse in the settings that can cause it, or that none of them is out of its usual range."""
    next_ = "Use a loss with negatives, or with variance and covariance terms; lower the learning rate."
    return _cause(word, signals, known, next_)


def learning_cause(signals: Signals, known: Known) -> Remedy:
    """Cause of not learning in the settings that can cause it."""
    if signals.equal_views > NO_OP:
        return Remedy(
            cause=f"The policy changes nothing on {100 * signals.equal_views:.0f} % of these images: "
            "every image is its own positive, and alignment teaches nothing.",
            next="Give a policy that acts on this data: larger crops, stronger colour or geometry.",
        )
    next_ = "Look at the views first; then raise the learning rate, train longer, or weaken the crop."
    return _cause("not learning", signals, known, next_)


def _cause(word: str, signals: Signals, known: Known, next_: str) -> Remedy:
    if known.method is None:
        return Remedy(
            cause="Not known: the settings of its training are not at hand.",
            next="Check where the weights come from and what input they expect; then look at the views."
            if word == "not learning"
            else "Look at an earlier checkpoint, or at another encoder.",
        )
    hint = known.method.hint(word, _plain(signals))
    if hint is not None:
        return Remedy(cause=hint.cause, next=hint.next or next_)
    for off in _optimiser(word, known):
        return Remedy(cause=off, next="Set it near the recipe's.")
    looked = [f"{one.setting} {one.value}" for one in known.method.suspects(word, _plain(signals))]
    looked += [f"learning rate {known.rate:g}"] if known.rate is not None else []
    looked += [f"weight decay {known.decay:g}"] if known.decay is not None else []
    listed = f" (looked at: {', '.join(looked)})" if looked else ""
    return Remedy(
        cause=f"Not known: no setting that can cause it is out of its usual range{listed}.", next=next_
    )


def _optimiser(word: str, known: Known) -> Iterator[str]:
    low, high = RATES.get(known.optimiser, (0.0, float("inf")))
    if known.rate is not None and known.rate > high:
        yield f"The learning rate {known.rate:g} is far above what {known.optimiser} usually takes."
    if known.rate is not None and known.rate < low and word == "not learning":
        yield f"The learning rate {known.rate:g} is too small to move anything."
    if known.decay is not None and known.decay > DECAYS.get(known.optimiser, float("inf")):
        yield f"The weight decay {known.decay:g} shrinks the weights faster than {known.optimiser} usually allows."


def _plain(signals: Signals) -> dict[str, float]:
    """The numbers that a method's suspects may look at, by their paths in the record."""
    layers = {"h": signals.h, "z": signals.z}
    found = {f"{name}.dim": float(layer.dim) for name, layer in layers.items() if layer is not None}
    return found | {"equal_views": signals.equal_views}
