"""The course of a training: where in its schedule each step is, also after it was continued for more epochs.

A run is a list of segments. Each begins at a step and says how the steps from there on walk through a schedule:
learning rate and the method's own course (BYOL's decay, say) are functions of the position in it, so a run replays
from the list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from contrascope.errors import InputError

Continuation = Literal["restart", "stretch", "constant"]
WORDS = {
    "restart": "the schedule anew, warm-up included, over the added steps",
    "stretch": "what is left of the schedule, drawn out over the steps that are left",
    "constant": "the rate at which the run stands, held",
}
"""How a schedule may go on, by word."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Steps that walk evenly through a part of a schedule."""

    start: int
    """First step, counted from 0."""
    stop: int
    """The step behind the last one, as planned; a later segment may begin before."""
    first: float
    """Position in the schedule at `start`, in its own steps."""
    last: float
    """Position at `stop`."""
    steps: int
    """Steps of that schedule."""
    how: Literal["start", "restart", "stretch", "constant"]
    """start, restart, stretch or constant."""

    def __post_init__(self) -> None:
        whole_ones = 0 <= self.start < self.stop and self.steps > 0
        if not (whole_ones and 0 <= self.first <= self.last <= self.steps):
            raise InputError(
                f"a segment of a schedule goes from step {self.start} to {self.stop} and from {self.first:g} to "
                f"{self.last:g} of {self.steps}; expected steps that go on, within the schedule."
            )

    def position(self, step: int) -> float:
        """Where in the schedule a step is.

        >>> Segment(start=50, stop=150, first=50.0, last=100.0, steps=100, how="stretch").position(100)
        75.0
        """
        if self.last - self.first == self.stop - self.start:
            return self.first + (step - self.start)
        return self.first + (step - self.start) * (self.last - self.first) / (self.stop - self.start)


def whole(steps: int) -> tuple[Segment, ...]:
    """A training of so many steps in one piece."""
    return (Segment(start=0, stop=steps, first=0.0, last=float(steps), steps=steps, how="start"),)


def segment_at(segments: Sequence[Segment], step: int) -> Segment:
    """The segment that a step belongs to: the last one that has begun.

    >>> segment_at(whole(10), 10).stop
    10
    """
    return next(one for one in reversed(segments) if one.start <= step)


def in_order(segments: Sequence[Segment]) -> bool:
    """Whether segments that were read can be those of one run.

    >>> in_order(whole(4)), in_order(())
    (True, False)
    """
    starts = [one.start for one in segments]
    return bool(starts) and starts[0] == 0 and starts == sorted(set(starts))


def ends(segments: Sequence[Segment]) -> tuple[int, ...]:
    """The steps at which a schedule had come to its end before the run was continued."""
    return tuple(later.start for earlier, later in pairwise(segments) if earlier.stop == later.start)


def continued(
    segments: Sequence[Segment],
    *,
    step: int,
    steps: int,
    how: Continuation | None,
    rate: Callable[[float, int], float],
) -> tuple[Segment, ...]:
    """The segments of a run that stands at `step` and is to end at `steps`; `rate` is of a position in a schedule.

    Those that lead there stay as they are. Unsaid (`how` is None) a run that was stopped before its end stretches what
    is left (a held rate stays held), and one that has come to its end is refused, for its schedule does not say what
    comes behind. So is a rate of 0. A segment that has not begun yet is planned anew.

    >>> found = continued(whole(4), step=2, steps=6, how=None, rate=lambda position, steps: 1 - position / steps)
    >>> [found[-1].position(i) for i in (2, 3, 4, 5)]
    [2.0, 2.5, 3.0, 3.5]
    """
    if segments and segments[-1].stop == steps and how in (None, segments[-1].how):
        return tuple(segments)
    begun = tuple(one for one in segments if one.start < step)
    if not begun:
        return whole(steps)
    now = begun[-1]
    if now.stop == steps:
        if len(begun) > 1 and how is not None:
            raise InputError(
                f"the run goes on by {now.how} since step {now.start}; schedule.continuation cannot become {how!r}."
            )
        return begun
    if steps < step:
        raise InputError(f"the run is at step {step}, beyond the {steps} steps that are asked for.")
    word = how or ("constant" if now.how == "constant" else "stretch")
    if how is None and step >= now.stop:
        words = "; ".join(f"{word}: {meaning}" for word, meaning in WORDS.items())
        raise InputError(
            f"the schedule has come to its end at step {step}. Say how it goes on to step {steps}, with "
            f"--schedule.continuation WORD ({words})."
        )
    if word == "restart":
        added = steps - step
        return (
            *begun,
            Segment(start=step, stop=steps, first=0.0, last=float(added), steps=added, how="restart"),
        )
    here = now.position(step)
    if rate(here, now.steps) <= 0:
        raise InputError(
            f"schedule.continuation is {word!r}, but the rate at step {step} is 0, so nothing would move. "
            "Choose restart."
        )
    last = here if word == "constant" else float(now.steps)
    return (*begun, Segment(start=step, stop=steps, first=here, last=last, steps=now.steps, how=word))
