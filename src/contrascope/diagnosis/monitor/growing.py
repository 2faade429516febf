"""When a training that lacks directions is no alarm: while it wins them."""

from contrascope.diagnosis.checks.collapse import DIMENSIONAL, directions_left
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import Verdict

GROWS = 1.05
"""Least ratio of two measurements of directions, one after the other, that is called growth."""


class Growing:
    """Tells a representation that lost its directions from one that is on its way to them.

    A projector may have fewer after its first epochs than at random weights, and win them back (docs/log.md has two
    such runs). So a *dimensional collapse* is an alarm from the second measurement on, and only where the layer that
    lacks most has not grown since the one before. Every other reason is an alarm at once.
    """

    def __init__(self) -> None:
        self._left: float | None = None

    def alarms(self, verdict: Verdict, signals: Signals) -> bool:
        """Whether this measurement, the next one of a training, is an alarm; asked once of each."""
        before, self._left = self._left, directions_left(signals)
        if verdict.ok:
            return False
        if verdict.sound.reason != DIMENSIONAL or self._left is None:
            return True
        return before is not None and self._left < GROWS * before
