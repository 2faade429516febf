"""One label-free number by which the checkpoints of one run are compared."""

from contrascope.diagnosis.learning import hardest
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import Verdict

NOT_CHOSEN = ("not learning", "cannot be told")
"""Answers of checkpoints that are never called the best."""


def label_free_score(signals: Signals, verdict: Verdict) -> float | None:
    """Gain over random weights, mean of own and standard views, in log odds; None of a checkpoint that is not chosen.

    Larger is better among checkpoints of one run under the same fixed views. A checkpoint that is unsound, or that is
    called not learning, has none. docs/diagnose.md shows its rank correlation with kNN, on runs that improve and on
    runs that get worse. It compares neither methods nor policies with each other.
    """
    found = signals.learning
    if found is None or not verdict.ok or verdict.learning.word in NOT_CHOSEN:
        return None
    hard = hardest(found)
    return (
        found.own.odds.value if hard is None else (found.own.odds.value + found.standard[hard].odds.value) / 2
    )
