"""The three answers as they are shown: of a diagnosis, of its record, or of a row that the monitor wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contrascope.records.lookup import verdict_word
from contrascope.records.vocabulary import QUESTIONS, Question
from contrascope.records.words import Tone

NOT_DIAGNOSED = "not diagnosed"
"""Where there is no answer."""
WITHOUT_LABELS = "cannot be told without labels"
"""The only answer on usefulness that needs no labels."""
DIAGNOSE = "contrascope diagnose RUN"
"""What gives the answers."""


@dataclass(frozen=True, kw_only=True)
class ShownAnswer:
    """One question, its answer and what stands below it."""

    question: str
    """As it is asked."""
    word: str
    """The answer; "not diagnosed" where there is none."""
    reason: str = ""
    """What decided, in a few words."""
    evidence: tuple[str, ...] = ()
    """Sentences with numbers."""
    cause: str = ""
    """The likely cause."""
    next: str = ""
    """What to do next."""
    about: str = ""
    """What it was measured on, as a sentence."""

    @property
    def answered(self) -> bool:
        """Whether it was asked, and with what it takes to answer."""
        return self.word not in (NOT_DIAGNOSED, WITHOUT_LABELS)

    @property
    def tone(self) -> Tone:
        """How the word is shown."""
        return verdict_word(self.word).tone

    @property
    def mark(self) -> str:
        """The sign beside the word, so that the colour says nothing alone."""
        return verdict_word(self.word).sign

    @property
    def marked(self) -> str:
        """Sign and word."""
        return f"{self.mark} {self.word}"

    @property
    def said(self) -> str:
        """Sign, word and reason."""
        return f"{self.marked}: {self.reason}" if self.reason else self.marked

    @property
    def line(self) -> str:
        """Question and answer on one line.

        >>> ShownAnswer(question="Is it sound?", word="unsound", reason="cluster collapse").line
        'Is it sound? ✗ unsound: cluster collapse'
        """
        return f"{self.question} {self.said}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """Evidence, likely cause, next step."""
        cause = (f"Likely cause: {self.cause}",) if self.cause else ()
        return (*self.evidence, *cause, *((f"Next: {self.next}",) if self.next else ()))


def shown_answers(verdict: Any) -> tuple[ShownAnswer, ...]:
    """All three answers in order, of whatever has them under the names of `QUESTIONS`; a lost one is "not diagnosed".

    >>> [one.line for one in shown_answers(None)][0]
    'Is it sound? – not diagnosed'
    """
    return tuple(_shown(asked, getattr(verdict, name, None)) for name, asked in QUESTIONS.items())


def _shown(asked: str, answer: Any) -> ShownAnswer:
    if answer is None or not answer.word:
        return ShownAnswer(question=asked, word=NOT_DIAGNOSED)
    return ShownAnswer(
        question=asked,
        word=answer.word,
        reason=answer.reason,
        evidence=tuple(answer.evidence),
        cause=answer.cause,
        next=answer.next,
    )


def row_answers(row: Mapping[str, Any]) -> dict[Question, ShownAnswer]:
    """The monitor's two answers in a row of metrics.jsonl, by question; none where the row has none.

    A row has one reason and one piece of evidence: they are of soundness where that is a bad answer, else of learning.

    >>> [one.said for one in row_answers({"sound": "sound", "learning": "not learning", "reason": "why"}).values()]
    ['✓ sound', '✗ not learning: why']
    """
    names: tuple[Question, ...] = ("sound", "learning")
    words: dict[Question, str] = {name: word for name in names if (word := _text(row, name))}
    unsound = "sound" in words and verdict_word(words["sound"]).tone == "bad"
    decided = "sound" if unsound or "learning" not in words else "learning"
    reason, evidence = _text(row, "reason"), _text(row, "evidence")
    return {
        name: ShownAnswer(
            question=QUESTIONS[name],
            word=word,
            reason=reason if name == decided else "",
            evidence=(evidence,) if evidence and name == decided else (),
        )
        for name, word in words.items()
    }


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def withdrawn(word: Any) -> str:
    """What is said of the one word that version 0.1 gave; empty where there is none.

    >>> withdrawn("healthy")
    'an older version said "healthy"; that word is withdrawn'
    """
    return f'an older version said "{word}"; that word is withdrawn' if isinstance(word, str) and word else ""
