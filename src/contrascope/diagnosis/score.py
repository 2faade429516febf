"""One label-free number by which the checkpoints of one run are compared."""

from collections.abc import Mapping
from typing import Any

from contrascope.diagnosis.learning import hardest
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import Verdict
from contrascope.records.lookup import verdict_word

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


def score_of_row(row: Mapping[str, Any]) -> float | None:
    """The same number from a row that the monitor wrote in metrics.jsonl; None where it has none, or no such row.

    >>> score_of_row({"sound": "sound", "learning": "learning", "h_gain_own": 1.0, "h_gain_standard": 0.5})
    0.75
    >>> score_of_row({"sound": "unsound", "learning": "learning", "h_gain_own": 1.0}) is None
    True
    """
    sound, learning = row.get("sound"), row.get("learning")
    own, standard = row.get("h_gain_own", row.get("h_gain_halves")), row.get("h_gain_standard")
    if not isinstance(sound, str) or not verdict_word(sound).ok or learning in (None, *NOT_CHOSEN):
        return None
    if not isinstance(own, float):
        return None
    return (own + standard) / 2 if isinstance(standard, float) else own
