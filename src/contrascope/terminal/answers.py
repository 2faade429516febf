"""The three answers in a terminal."""

from typing import Any

from rich.console import Console
from rich.text import Text

from contrascope.records.answers import ShownAnswer, shown_answers
from contrascope.records.words import Tone

COLOURS: dict[Tone, str] = {"good": "green", "open": "yellow", "bad": "red"}


def print_answers(console: Console, verdict: Any) -> None:
    """A line a question, its word in colour behind a sign, with evidence, cause and next step below it."""
    for one in shown_answers(verdict):
        print_answer(console, one)


def print_answer(console: Console, one: ShownAnswer) -> None:
    """One of them."""
    reason = f": {one.reason}" if one.reason else ""
    console.print(
        Text.assemble((one.question, "bold"), " ", (one.marked, f"bold {COLOURS[one.tone]}"), reason)
    )
    for sentence in one.evidence:
        console.print(Text(f"  - {sentence}"))
    for sentence in one.sentences[len(one.evidence) :]:
        console.print(Text(f"  {sentence}"))
