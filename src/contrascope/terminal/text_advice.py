"""Advice on views of sentences as text for a terminal."""

import json
from dataclasses import asdict

from rich.table import Table

from contrascope.advice.sentences.advise import HALVES, TextAdvice, TriedViews
from contrascope.intervals import Estimate
from contrascope.records.files import finite
from contrascope.terminal.tables import table_text

WIDTH = 110
SATURATED = 0.95
"""Share of views found by counts of words from which finding them proves nothing."""


def show_text_advice(advice: TextAdvice, *, as_json: bool) -> str:
    """The candidates, best first, with what stands beside them, and what can be told; or all numbers as JSON."""
    if as_json:
        return json.dumps(finite({**asdict(advice), "word": advice.word}), indent=2) + "\n"
    table = Table(title=f"{advice.data}: views, by the share “{advice.ranked_by}” after a short training")
    for name in ("views", "tokens left", "TF-IDF finds the view", advice.ranked_by, "random weights: odds"):
        table.add_column(name, justify="left" if name == "views" else "right")
    for one in advice.tried:
        table.add_row(*_cells(one))
    lines = [
        f"Beside it: random weights {_percent(advice.random)}, TF-IDF without any training "
        f"{_percent(advice.counts)}.",
        *_said(advice),
    ]
    return table_text(table, width=WIDTH) + "".join(f"{line}\n" for line in lines)


def _cells(one: TriedViews) -> tuple[str, ...]:
    return (
        one.name,
        f"{100 * one.left:.0f} %",
        f"{100 * one.counted:.0f} %",
        _percent(one.score),
        f"{_signed(one.over_random)}",
    )


def _said(advice: TextAdvice) -> list[str]:
    best, found = advice.tried[0], []
    if advice.equal:
        found.append(
            f"Which is best cannot be told: {best.name} leads, and {', '.join(advice.equal)} cannot be told apart from "
            "it. More sentences or steps may tell (--text.sentences, --text.steps)."
        )
    else:
        found.append(f"Best here: {best.name}, told apart from all others on the same sentences.")
    if advice.over_dropout is not None and advice.over_dropout.low <= 0:
        found.append("None is told to be above dropout alone.")
    if advice.counts.value >= best.score.value:
        found.append("TF-IDF is above all of them by this score.")
    easy = [one.name for one in advice.tried if one.words and one.counted > SATURATED]
    if easy:
        found.append(
            f"Under {', '.join(easy)} counts of words find the other view of nearly every sentence: a small loss says "
            "nothing there."
        )
    measured = (
        "without labels, on halves of unseen sentences" if advice.ranked_by == HALVES else "with your labels"
    )
    found.append(
        f"It was measured {measured}, with a mean of token vectors in place of a transformer: a guess where to begin, "
        "not a result."
    )
    if best.words and not advice.equal:
        found.append(
            f"Try it: contrascope train text-simcse-cpu --views.first {best.words} --data.source ..."
        )
    return found


def _percent(found: Estimate) -> str:
    return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _signed(found: Estimate) -> str:
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
