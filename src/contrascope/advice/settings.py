"""Settings of the advisor, and the budget as people write it."""

import math
import re
from dataclasses import dataclass

from contrascope.errors import InputError
from contrascope.settings import written_as

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@written_as("AdviseSettings")
@dataclass(frozen=True, kw_only=True)
class AdviseSettings:
    """How much is looked at; what is trained is bounded by the budget."""

    images: int = 512
    """Images whose views are compared with their neighbours, at least 16."""
    per_class: int = 10
    """Images of a class by which concentration is measured, at least 2."""
    classes: int = 20
    """Classes by which concentration is measured, at most; of more, this many at random."""
    views: int = 8
    """Views of an image by which concentration is measured, itself among them, at least 2."""
    side: int = 32
    """Shorter side in px to which larger images are brought, at least 4."""
    pool: int = 5000
    """Images that the short trainings see, at most."""
    scored: int = 1000
    """Images by which a short training is scored, at most."""
    candidates: int = 8
    """Policies that are ranked, at most."""
    width: int = 16
    """Channels of the first stage of the small convolutional network of the short trainings."""
    draws: int = 200
    """Bootstrap draws of an interval."""
    seed: int = 0
    """Of the choice of images, of views and of weights."""

    def __post_init__(self) -> None:
        lowest = {"images": 16, "per_class": 2, "classes": 1, "views": 2, "side": 4, "pool": 16}
        lowest |= {"scored": 16, "candidates": 1, "width": 1, "draws": 2, "seed": 0}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise InputError(f"settings.{name} is {getattr(self, name)}; expected at least {least}.")


def seconds_of(budget: str) -> float:
    """Seconds of a budget such as `90s`, `10m`, `1.5h` or `0`; a number alone counts as seconds.

    >>> seconds_of("10m"), seconds_of("0")
    (600.0, 0.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", budget.strip())
    if found is None or not math.isfinite(float(found[1])):
        raise InputError(
            f"the budget is {budget!r}; expected a time such as 90s, 10m or 1h, or 0 for no training."
        )
    return float(found[1]) * UNITS[found[2] or "s"]
