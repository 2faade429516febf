"""What the first screen is made of: a few numbers beside their references, and what to do next."""

from dataclasses import dataclass
from typing import ClassVar, Literal

Role = Literal["encoder", "projector", "reference", "pixels", ""]
"""Whose number it is: one colour each, wherever it stands; empty: none of these."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark on the scale of a number, in per cent of the scale."""

    role: Role
    """Whose number it is."""
    at: float
    """Where it stands."""
    low: float = 0.0
    """Where its interval begins."""
    wide: float = 0.0
    """How wide that is."""


@dataclass(frozen=True, kw_only=True)
class KeyNumber:
    """One of the few numbers of the first screen, beside its references."""

    title: str
    """What was measured."""
    value: str
    """The number with its unit."""
    interval: str
    """Its interval, or the end of its scale; may be empty."""
    references: tuple[tuple[Role, str], ...]
    """What it is held against, in words."""
    marks: tuple[Mark, ...] = ()
    """The same on a scale; none where there is no scale."""


@dataclass(frozen=True, kw_only=True)
class KeyNumbers:
    """The numbers of the first screen."""

    template: ClassVar[str] = "numbers"
    numbers: tuple[KeyNumber, ...]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What to do next."""

    template: ClassVar[str] = "steps"
    title: str
    steps: tuple[str, ...]
