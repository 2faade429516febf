"""One measurement as rows: what metrics.jsonl holds, and what a tracker or a trainer is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contrascope.diagnosis.answers import judge
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.learning import hardest
from contrascope.diagnosis.score import label_free_score
from contrascope.diagnosis.signals import LayerSignals, Signals
from contrascope.diagnosis.verdict import Verdict
from contrascope.intervals import Estimate
from contrascope.records.lookup import verdict_word
from contrascope.records.vocabulary import SIGNALS

DRAWS = 100
"""Bootstrap draws: without intervals, noise would pass for learning."""
PREFIX = "contrascope"
"""What the keys of a flat row begin with."""
UNCHOSEN = -14.0
"""Score in a flat row where there is none: below every gain that can be measured, so that nothing chooses it."""

NOTHING_YET = {f"{PREFIX}/score": UNCHOSEN}
"""What a framework that asks for a score is given before there is any."""
TONES = {"good": 1.0, "open": 0.5, "bad": 0.0}
"""Number of an answer."""

Row = dict[str, str | int | float]
"""Names to numbers and words."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Signals, what they say, and the row of it."""

    signals: Signals
    """What was measured."""
    verdict: Verdict
    """The answers."""
    score: float | None
    """`label_free_score`; None of a checkpoint that is not chosen."""
    row: Row
    """Under the keys of metrics.jsonl."""


def judged(signals: Signals, *, known: Known | None = None) -> Judged:
    """The answers and the row of signals; `known` only words causes."""
    verdict = judge(signals, known=known)
    score = label_free_score(signals, verdict)
    row = monitor_row(signals, verdict)
    return Judged(
        signals=signals,
        verdict=verdict,
        score=score,
        row=row if score is None else {**row, "score": score},
    )


def monitor_row(signals: Signals, verdict: Verdict) -> Row:
    """Both answers that need no labels, what decided, and the main signals of both layers, for metrics.jsonl."""
    decides = verdict.learning if verdict.ok else verdict.sound
    row: Row = {"sound": verdict.sound.word, "learning": verdict.learning.word}
    if decides.reason:
        row["reason"] = decides.reason
    if decides.evidence:
        row["evidence"] = decides.evidence[0]
    if signals.learning is not None:
        hard = hardest(signals.learning)
        row["h_gain_own"] = signals.learning.own.odds.value
        if hard is not None:
            row["h_gain_standard"] = signals.learning.standard[hard].odds.value
    for name, layer in (("h", signals.h), ("z", signals.z)):
        if layer is not None:
            row |= {f"{name}_{key}": value for key, value in _numbers(layer).items()}
    return row


def flat_row(row: Mapping[str, str | int | float], *, step: int) -> Row:
    """A row of metrics.jsonl under one prefix, layers as folders, with a score in every case.

    >>> flat_row({"sound": "sound", "h_rank": 9.0}, step=3)
    {'contrascope/step': 3, 'contrascope/sound': 'sound', 'contrascope/h/rank': 9.0, 'contrascope/score': -14.0}
    """
    found: Row = {f"{PREFIX}/step": step}
    for key, value in row.items():
        layer, _, rest = key.partition("_")
        found[f"{PREFIX}/{layer}/{rest}" if layer in ("h", "z") else f"{PREFIX}/{key}"] = value
    return found if "score" in row else {**found, f"{PREFIX}/score": UNCHOSEN}


def unflat_row(flat: Mapping[str, Any]) -> Row:
    """What `flat_row` was made of; keys that are none of ours are left out.

    >>> unflat_row({"contrascope/h/rank": 9.0, "contrascope/score": -14.0, "loss": 1.0})
    {'h_rank': 9.0}
    """
    ours = {
        key.removeprefix(f"{PREFIX}/"): value for key, value in flat.items() if key.startswith(f"{PREFIX}/")
    }
    return {
        key.replace("/", "_", 1): value
        for key, value in ours.items()
        if key != "step" and not (key == "score" and value <= UNCHOSEN)
    }


def numbers_of(row: Mapping[str, Any]) -> dict[str, float]:
    """A flat row for what takes numbers alone: an answer is 1 where it is *sound* or *learning*, 0 where it is bad.

    Answers in between, as *barely learning*, are one half; other words are left out.

    >>> numbers_of({"contrascope/sound": "sound", "contrascope/learning": "not learning", "contrascope/score": -14.0})
    {'contrascope/sound': 1.0, 'contrascope/learning': 0.0, 'contrascope/score': -14.0}
    """
    words = {f"{PREFIX}/{name}" for name in ("sound", "learning")}
    return {
        key: TONES[verdict_word(value).tone] if key in words else float(value)
        for key, value in row.items()
        if key in words or not isinstance(value, str)
    }


def _numbers(layer: LayerSignals) -> dict[str, float]:
    """The signals that are followed, under their keys; those that need views only where there are some."""
    found: dict[str, float] = {}
    for one in SIGNALS:
        if one.row:
            value: Any = layer
            for part in one.path.split("."):
                value = None if value is None else getattr(value, part)
            if value is not None:
                found[one.row] = value.value if isinstance(value, Estimate) else value
    return found
