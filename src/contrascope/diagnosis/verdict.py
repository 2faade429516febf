"""The verdict: one word over label-free signals, with its evidence, the likely cause and the next thing to try."""

from dataclasses import dataclass

from contrascope.diagnosis.causes import advice
from contrascope.diagnosis.rules import RULES, THRESHOLDS, Thresholds
from contrascope.diagnosis.signals import Signals
from contrascope.methods.settings import MethodSettings
from contrascope.records.lookup import verdict_word
from contrascope.records.vocabulary import Word


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One word, why, the likely cause, and what to try next."""

    word: Word
    """The verdict."""
    evidence: tuple[str, ...]
    """Sentences with the numbers that decided."""
    cause: str
    """The likely cause in the method's own settings; empty for a healthy run."""
    next: str
    """What to try next."""

    @property
    def ok(self) -> bool:
        """Neither broken nor suspected."""
        return verdict_word(self.word).ok


def judge(
    signals: Signals, *, method: MethodSettings | None = None, thresholds: Thresholds = THRESHOLDS
) -> Verdict:
    """The first rule that finds something decides; `method` only words the advice."""
    for rule in RULES:
        found = rule(signals, thresholds)
        if found is not None:
            told = advice(found.word, signals, method)
            return Verdict(word=found.word, evidence=found.evidence, cause=told.cause, next=told.next)
    raise AssertionError("the last rule always finds something")
