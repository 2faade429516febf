"""What is done when a training has become unsound, and when a measurement itself fails."""

from collections.abc import Callable
from typing import Literal

from contrascope.diagnosis.monitor.growing import Growing
from contrascope.diagnosis.monitor.rows import Row
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import Verdict
from contrascope.errors import InputError
from contrascope.progress import Say
from contrascope.records.lookup import verdict_word

OnAlarm = Literal["warn", "stop"] | Callable[[str, Row], object]
"""Say it; say it and ask the loop to stop; or a function of the sentence and the flat row: true asks to stop."""
OnError = Literal["say", "raise"]
"""Say a fault of the monitor once, and go on without it; or raise it, for tests."""


class Alarm:
    """Says once that a representation has become unsound, and decides whether to stop.

    What is an alarm, `Growing` says. `patience`: alarms in a row after which "stop" stops; values that are not finite
    stop at once.
    """

    def __init__(self, on_alarm: OnAlarm, say: Say, *, patience: int = 2) -> None:
        if not (callable(on_alarm) or on_alarm in ("warn", "stop")):
            raise InputError(f"on_alarm is {on_alarm!r}; expected 'warn', 'stop' or a function.")
        if patience < 1:
            raise InputError(f"patience is {patience}; expected at least 1.")
        self._on_alarm, self._say, self._patience = on_alarm, say, patience
        self._last, self._bad, self._growing = "", 0, Growing()

    def hear(self, verdict: Verdict, row: Row, *, step: int, signals: Signals) -> bool:
        """Whether the loop should stop; the same answer as the time before is not said again."""
        broken = signals.faults.non_finite > 0
        said = str(verdict.sound) if self._growing.alarms(verdict, signals) else ""
        fresh, self._last = bool(said) and said != self._last, said
        self._bad = self._bad + 1 if said else 0
        if not said:
            return False
        sentence = alarm_sentence(verdict, step=step)
        if callable(self._on_alarm):
            return bool(self._on_alarm(sentence, row))
        if fresh:
            self._say(sentence)
        return self._on_alarm == "stop" and (broken or self._bad >= self._patience)


def alarm_of(verdict: Verdict, *, unsound: bool, late: bool) -> str:
    """What a run of ours shows beside its progress: an alarm that it is `unsound`; not learning where it is `late`."""
    if not verdict.ok:
        return str(verdict.sound) if unsound else ""
    return "" if verdict_word(verdict.learning.word).ok or not late else str(verdict.learning)


def alarm_sentence(verdict: Verdict, *, step: int) -> str:
    """What was found, with its evidence and what to do."""
    told = verdict.sound
    return " ".join(
        part for part in (f"contrascope: step {step}: {told}.", *told.evidence[:1], told.next) if part
    )


class Misses:
    """Faults of the monitor itself: each kind is said once, and the training goes on."""

    def __init__(self, on_error: OnError, say: Say) -> None:
        if on_error not in ("say", "raise"):
            raise InputError(f"on_error is {on_error!r}; expected 'say' or 'raise'.")
        self._raises, self._say, self._said = on_error == "raise", say, set[str]()

    def miss(self, error: Exception) -> None:
        """To be called where the error is handled: raises it where that was asked for."""
        if self._raises:
            raise error
        kind = type(error).__name__
        if kind not in self._said:
            self._said.add(kind)
            self._say(
                f"contrascope: this measurement failed and the training goes on ({kind}: {error}). "
                "Monitor(on_error='raise') shows where."
            )
