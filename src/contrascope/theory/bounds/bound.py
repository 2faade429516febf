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
    limit: float | None = None
    """What the value may be on new images, at 95 % confidence: the word judges it. None: the value itself."""
    scope: str = ""
    """Over which views the value holds, in words (`over_views`); empty where views do not enter."""
    circular: bool = False
    """The classes were made from the features that they judge: never informative."""

    def __post_init__(self) -> None:
        assert not math.isnan(self.value), f"{self.name}: the bound is nan"

    @property
    def holds(self) -> bool:
        """All conditions hold, so the value is a bound."""
        return all(self.conditions.values())

    @property
    def vacuous(self) -> bool:
        """A condition fails, the classes are circular, or the limit is no better than the trivial value."""
        judged = self.value if self.limit is None else self.limit
        no_better = judged <= self.trivial if self.lower else judged >= self.trivial
        return no_better or not self.holds or self.circular

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
        if self.circular:
            return "circular, the classes were made from this embedding"
        words = f"{'no better' if self.vacuous else 'better'} than the trivial {self.trivial:.4g}"
        return words if self.limit is None else f"{self.limit:.4g} on new images, {words}"

    def __str__(self) -> str:
        sign = ">=" if self.lower else "<="
        scope = f" {self.scope}" if self.scope else ""
        return f"{self.name} {sign} {self.value:.4g}{scope} ({self.word}: {self.reason})"


def over_views(views: int | float | None) -> str:
    """The scope of a bound on the worst of so many views; infinity: all views; None: those of the given R_eps.

    >>> over_views(4), over_views(math.inf), over_views(None)
    ('at 4 views an image', 'over all views', 'at the views of R_eps')
    """
    if views is None:
        return "at the views of R_eps"
    return "over all views" if views == math.inf else f"at {views:g} view{'s' * (views != 1)} an image"


def require_between(low: float | int, high: float | int, **values: float | int) -> None:
    """Raises `InputError` for the first value outside [low, high]; nan is outside.

    >>> require_between(0, 1, sigma=1.5)
    Traceback (most recent call last):
    contrascope.errors.InputError: sigma is 1.5; expected a number in [0, 1].
    """
    for name, value in values.items():
        if not low <= value <= high:
            raise InputError(f"{name} is {value}; expected a number in [{low:g}, {high:g}].")
