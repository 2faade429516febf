"""What a method's settings may say about a verdict; without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

HOT, COLD = 5.0, 0.02
"""Temperatures above and below which a softmax over negatives is suspected."""
NARROW = 8
"""Numbers that a projector puts out below which there is little room to keep images apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """Likely cause in a method's settings, and what to try."""

    cause: str
    """What probably went wrong."""
    next: str = ""
    """One thing to try; empty: what is tried for any method."""


def temperature_cause(temperature: float) -> str:
    """What a temperature far from the usual does; empty for a usual one.

    >>> temperature_cause(0.5)
    ''
    """
    if temperature > HOT:
        return (
            f"The temperature {temperature:g} flattens the softmax: all negatives weigh the same, and the "
            "loss is the linear one, which asks for a zero mean only."
        )
    if temperature < COLD:
        return (
            f"The temperature {temperature:g} lets only the nearest negative count: the gradient is that "
            "of one pair."
        )
    return ""


def softmax_hint(word: str, signals: Mapping[str, float], *, temperature: float) -> Hint | None:
    """The hint of a loss with a temperature and negatives."""
    cause = temperature_cause(temperature)
    if word == "not learning":
        return Hint(cause=cause) if cause else None
    narrow = signals.get("z.dim", NARROW) < NARROW
    if not cause and narrow:
        cause = f"The projector puts out {signals['z.dim']:g} numbers: there is no room to keep images apart."
    return Hint(
        cause=cause
        or "The negatives do not push: the batch is too small, the learning rate too large, or the loss "
        "is not the softmax one.",
        next="Widen the projector." if narrow else "Set the temperature between 0.1 and 0.5.",
    )
