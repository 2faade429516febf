"""The type of every bound: a number that is never shown without the word that says what it is worth."""

import math
from dataclasses import dataclass

from contrascope.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A bound on one quantity, all that it was computed from, and whether it says anything.

    >>> print(Bound(name="Err", value=0.1, terms={}, conditions={}, trivial=0.9, source="by hand"))
    Err <= 0.1 (informative: better than the trivial 0.9)
    """

    name: str
    """The bounded quantity."""
    value: float
    """The bound; it is one only where `holds`."""
    terms: dict[str, float]
    """Every number that enters, and measured ones worth having beside it."""
    conditions: dict[str, bool]
    """The conditions of the statement and whether each holds."""
    trivial: float
    """What is known of the quantity without the bound."""
    source: str
    """Paper and statement, and how this form differs from it."""
    lower: bool = False
    """True where the quantity is at least the value; then a value up to `trivial` is vacuous."""

    def __post_init__(self) -> None:
        assert not math.isnan(self.value), f"{self.name}: the bound is nan"

    @property
    def holds(self) -> bool:
        """All conditions hold, so the value is a bound."""
        return all(self.conditions.values())

    @property
    def vacuous(self) -> bool:
        """A condition fails, or the value is no better than the trivial one."""
        no_better = self.value <= self.trivial if self.lower else self.value >= self.trivial
        return no_better or not self.holds

    @property
    def word(self) -> str:
        """'vacuous' or 'informative'."""
        return "vacuous" if self.vacuous else "informative"

    @property
    def reason(self) -> str:
        """Why `word` is what it is: the conditions that fail, or the trivial value."""
        failing = [name for name, holds in self.conditions.items() if not holds]
        if failing:
            return f"fails: {', '.join(failing)}"
        return f"{'no better' if self.vacuous else 'better'} than the trivial {self.trivial:.4g}"

    def __str__(self) -> str:
        sign = ">=" if self.lower else "<="
        return f"{self.name} {sign} {self.value:.4g} ({self.word}: {self.reason})"


def require_between(low: float | int, high: float | int, **values: float | int) -> None:
    """Raises `InputError` for the first value outside [low, high]; nan is outside.

    >>> require_between(0, 1, sigma=1.5)
    Traceback (most recent call last):
    contrascope.errors.InputError: sigma is 1.5; expected a number in [0, 1].
    """
    for name, value in values.items():
        if not low <= value <= high:
            raise InputError(f"{name} is {value}; expected a number in [{low:g}, {high:g}].")
