"""What a monitor has measured so far: the steps, their rows, and which of them is the best."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from contrascope.diagnosis.monitor.rows import PREFIX, Row, flat_row, unflat_row
from contrascope.records.metrics import MetricsRow


@dataclass(frozen=True, kw_only=True)
class MeasuredStep:
    """One measurement."""

    step: int
    """Finished steps."""
    epoch: int | float | None = None
    """Finished epochs, where the caller said them."""
    row: Row = field(default_factory=dict)
    """Under the keys of metrics.jsonl."""

    @property
    def score(self) -> float | None:
        """The label-free score; None where it is not chosen."""
        found = self.row.get("score")
        return found if isinstance(found, float) else None

    @property
    def flat(self) -> Row:
        """The row that trackers are given."""
        return flat_row(self.row, step=self.step)


class History:
    """Measurements by rising steps; going back to a step forgets what came at it and later.

    >>> history = History()
    >>> for step, score in ((1, 0.5), (2, 2.0), (3, 1.0)):
    ...     history.add(MeasuredStep(step=step, row={"score": score}))
    >>> history.best.step
    2
    >>> history.add(MeasuredStep(step=2, row={}))
    >>> [one.step for one in history.rows], history.best.step
    ([1, 2], 1)
    """

    def __init__(self, rows: Sequence[MeasuredStep] = ()) -> None:
        self.rows: list[MeasuredStep] = list(rows)

    def add(self, found: MeasuredStep) -> None:
        """Take a measurement in."""
        self.rows = [*(one for one in self.rows if one.step < found.step), found]

    @property
    def best(self) -> MeasuredStep | None:
        """That with the largest score, of equal ones the earliest; None where none has one."""
        scored = [one for one in self.rows if one.score is not None]
        return max(scored, key=lambda one: one.score or 0.0, default=None)

    def state(self) -> list[dict[str, Any]]:
        """Plain values, for a checkpoint."""
        return [asdict(one) for one in self.rows]


def history_of(state: Sequence[Mapping[str, Any]]) -> History:
    """What `History.state` gave."""
    return History([MeasuredStep(**one) for one in state])


def history_of_flat(rows: Sequence[Mapping[str, Any]]) -> History:
    """From flat rows that a framework kept, each with our step, and an `epoch` where it added one; others are left out.

    >>> kept = [{"loss": 1.0}, {"contrascope/step": 4, "contrascope/score": 2.0, "epoch": 1}]
    >>> history_of_flat(kept).best
    MeasuredStep(step=4, epoch=1, row={'score': 2.0})
    """
    history, key = History(), f"{PREFIX}/step"
    for one in rows:
        if key in one:
            history.add(MeasuredStep(step=int(one[key]), epoch=one.get("epoch"), row=unflat_row(one)))
    return history


def history_in(rows: Sequence[MetricsRow]) -> History:
    """From the rows of a folder, in which what is no number and no word is left out."""
    history = History()
    for one in rows:
        kept = {key: value for key, value in one.values.items() if isinstance(value, str | int | float)}
        history.add(MeasuredStep(step=one.step, epoch=one.epoch, row=kept))
    return history
