"""What a method's settings may say about an answer; without torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HOT, COLD = 1.0, 0.02
"""Temperatures above and below which a softmax over negatives is suspected; published ones lie between 0.05 and 1."""
NARROW = 8
"""Numbers that a projector puts out below which there is little room to keep images apart."""
FEW_NEGATIVES = 256
"""Keys of a queue below which there is little to be told apart from."""
WIDE = 25.0
"""Temperature of a kernel of distances above which it hardly tells them apart; released codes have 5 and 8."""
FAST = 0.9
"""Decay of a momentum copy below which it is hardly another network."""
NOT_LEARNING = "not learning"
"""The word for which a setting is looked at that keeps anything from being learnt; the others are collapses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """Likely cause in a method's settings, and what to try."""

    cause: str
    """What probably went wrong."""
    next: str = ""
    """One thing to try; empty: what is tried for any method."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspect:
    """A setting that can cause what was found."""

    setting: str
    """Its name."""
    value: float | int | str
    """What it is."""
    off: bool
    """Whether it lies outside what is usual."""
    cause: str
    """What it does there."""
    next: str = ""
    """What to try."""


def first_off(suspects: Iterable[Suspect]) -> Hint | None:
    """The first suspect that is out of its usual range.

    >>> first_off([Suspect(setting="a", value=1, off=False, cause="x")])
    """
    return next((Hint(cause=one.cause, next=one.next) for one in suspects if one.off), None)


def temperature_suspect(temperature: float) -> Suspect:
    """A temperature that divides cosines before a softmax.

    >>> temperature_suspect(0.5).off, temperature_suspect(2.0).off
    (False, True)
    """
    hot = temperature > HOT
    cause = (
        f"The temperature {temperature:g} flattens the softmax: all negatives weigh nearly the same, and the loss "
        "comes close to the linear one, which asks for a zero mean only."
        if hot
        else f"The temperature {temperature:g} lets only the nearest negative count: the gradient is that of one pair."
    )
    off = hot or temperature < COLD
    next_ = "Set the temperature between 0.1 and 0.5."
    return Suspect(setting="temperature", value=temperature, off=off, cause=cause, next=next_)


def width_suspect(signals: Mapping[str, float]) -> tuple[Suspect, ...]:
    """The projector's width, where the diagnosis knows it."""
    if "z.dim" not in signals:
        return ()
    width = signals["z.dim"]
    cause = f"The projector puts out {width:g} numbers: there is no room to keep images apart."
    off = width < NARROW
    return (Suspect(setting="projector.out", value=width, off=off, cause=cause, next="Widen the projector."),)


def softmax_suspects(word: str, signals: Mapping[str, float], *, temperature: float) -> tuple[Suspect, ...]:
    """Those of a loss with a temperature and negatives."""
    width = () if word == NOT_LEARNING else width_suspect(signals)
    return (temperature_suspect(temperature), *width)


def decay_suspect(word: str, decay: float) -> Suspect:
    """The decay of a momentum copy: 1 never moves, little is no copy.

    >>> decay_suspect("not learning", 1.0).off, decay_suspect("complete collapse", 0.5).off
    (True, True)
    """
    still = word == NOT_LEARNING
    return Suspect(
        setting="ema_decay",
        value=decay,
        off=decay >= 1 if still else decay < FAST,
        cause=f"The momentum copy (ema_decay {decay:g}) never moves: the target stays random."
        if still
        else f"The momentum copy (ema_decay {decay:g}) follows too fast: both networks can agree on a constant.",
        next="Set ema_decay between 0.99 and 0.9999.",
    )


def hidden_suspect(name: str, hidden: tuple[int, ...], next_: str) -> Suspect:
    """A predictor without a hidden layer.

    >>> hidden_suspect("predictor", (64,), "").off
    False
    """
    cause = f"The {name} is a linear map: it cannot hold online and target network apart."
    shown = "x".join(map(str, hidden)) or "none"
    return Suspect(setting=f"{name}.hidden", value=shown, off=not hidden, cause=cause, next=next_)


def queue_suspect(size: int) -> Suspect:
    """A queue of few negatives.

    >>> queue_suspect(16).off, queue_suspect(4096).off
    (True, False)
    """
    return Suspect(
        setting="queue_size",
        value=size,
        off=size < FEW_NEGATIVES,
        cause=f"The queue holds {size} keys: there is little to be told apart from.",
        next="Set queue_size to 4096.",
    )


def kernel_suspect(temperature: float, degrees: float) -> Suspect:
    """The width of a heavy-tailed kernel of distances.

    >>> kernel_suspect(8.0, 5.0).off, kernel_suspect(50.0, 5.0).off
    (False, True)
    """
    return Suspect(
        setting="temperature",
        value=temperature,
        off=temperature > WIDE,
        cause=f"Embeddings stay within the kernel's core (temperature {temperature:g}, degrees {degrees:g}), where it "
        "hardly tells distances apart.",
        next="Lower the temperature, or raise the learning rate.",
    )
