"""Successive halving on epochs (Jamieson and Talwalkar 2016, arXiv:1502.07943): the better half goes on.

A rung is a pause of runs that are planned for all their epochs: a run that goes on has the bits of one that never
paused. So a setting is judged in the middle of its schedule, where it may stand otherwise than at its end.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from contrascope.errors import InputError
from contrascope.records.sweeps import MarkEntry, TrialEntry

MOST_RUNGS = 3
"""Choices of a sweep: no setting is judged before an eighth of its epochs."""
Score = Literal["knn_held_out", "label_free"]
SAID: Mapping[Score, str] = {
    "knn_held_out": "kNN on held-out training images",
    "label_free": "the label-free score",
}
"""What a score is called. None is of test images."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Settings that go on and settings that are left, by a score."""

    by: Score | None
    """None: nothing could be compared, and all go on."""
    kept: tuple[str, ...]
    dropped: tuple[str, ...]


def rungs(epochs: int, settings: int) -> tuple[int, ...]:
    """Epochs at which half of so many settings is left; none where there is nothing to halve.

    >>> rungs(150, 8), rungs(150, 3), rungs(2, 9), rungs(1, 9), rungs(100, 1)
    ((18, 37, 75), (75,), (1,), (), ())
    """
    count = min(MOST_RUNGS, *(max(1, number).bit_length() - 1 for number in (settings, epochs)))
    return tuple(epochs >> power for power in range(count, 0, -1))


def common_epochs(epochs: Sequence[int]) -> int:
    """The epochs of all trials; raises `InputError` where they differ, since halving spends epochs itself."""
    if len(set(epochs)) > 1:
        raise InputError(
            f"--halving needs one number of epochs; this grid has {', '.join(map(str, sorted(set(epochs))))}. "
            "Leave training.epochs out of the grid, or set it."
        )
    return epochs[0]


def mark_at(trial: TrialEntry, epoch: int) -> MarkEntry | None:
    """The mark of a trial after so many epochs."""
    return next((mark for mark in trial.marks if mark.epoch == epoch), None)


def choose(marks: Mapping[str, Sequence[MarkEntry | None]], *, unlike: bool) -> Choice:
    """The better half of the settings, rounded up, by the mean over seeds of one score that can be had of all.

    kNN on held-out training images where there are labels, else the label-free score, which no checkpoint has that is
    unsound or not learning: such a setting comes last. `unlike`: settings that the label-free score cannot compare.
    A setting of which a mark is missing (its training broke) comes last too.
    """
    whole = {name: [one for one in found if one is not None] for name, found in marks.items()}
    broken = [name for name, found in marks.items() if len(whole[name]) < len(found)]
    every = [mark for name in marks if name not in broken for mark in whole[name]]
    by: Score | None = None
    if every and all(mark.knn_held_out is not None for mark in every):
        by = "knn_held_out"
    elif not unlike and any(mark.label_free is not None for mark in every):
        by = "label_free"
    if by is None:
        return Choice(
            by=None, kept=tuple(name for name in marks if name not in broken), dropped=tuple(broken)
        )

    def mean(name: str) -> float:
        found = [getattr(mark, by) for mark in whole[name]]
        return -math.inf if name in broken or None in found else sum(found) / len(found)

    order = sorted(marks, key=mean, reverse=True)  # of equal ones the first of the grid
    half = math.ceil(len(order) / 2)
    return Choice(
        by=by,
        kept=tuple(name for name in marks if name in order[:half]),
        dropped=tuple(name for name in marks if name in order[half:]),
    )
