"""What a callable that looks at the networks after an epoch may tell the loop."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contrascope.methods.base import Method


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The answer of a probe; the loop records it and acts on it."""

    row: dict[str, Any] = field(default_factory=dict)
    """Names and values for metrics.jsonl."""
    alarm: str = ""
    """Shown in the progress line until the next finding; empty: all is well."""
    score: float | None = None
    """Larger is better; the checkpoint with the largest is kept as `best_label_free`."""
    stop: bool = False
    """Save and stop the run."""


Probe = Callable[[Method, int], Finding | None]
"""Called after every epoch with the method and the number of finished epochs; None: nothing to tell."""


class StepProbe(ABC):
    """A probe that also looks within an epoch: runs on sentences often have a single one."""

    def __call__(self, method: Method, finished: int) -> Finding | None:
        """Nothing at the end of an epoch: steps are what it is asked after."""
        del method, finished
        return None

    @abstractmethod
    def due(self, step: int, steps: int) -> bool:
        """Whether it looks after this step of so many."""

    @abstractmethod
    def look(self, method: Method, *, late: bool) -> Finding:
        """What it finds now; `late`: more than half of the run is over."""
