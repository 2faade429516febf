"""The verdict: three questions, three answers, each with its evidence."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from contrascope.records.lookup import verdict_word
from contrascope.records.vocabulary import QUESTIONS, LearningWord, SoundWord, UsefulWord

W = TypeVar("W", bound=str)


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[W]):
    """A word, what earned it, the likely cause, and what to do next."""

    word: W
    """The answer."""
    reason: str = ""
    """What decided, in a few words, as "dimensional collapse"; empty where the word says it all."""
    evidence: tuple[str, ...] = ()
    """Sentences with the numbers that decided."""
    cause: str = ""
    """The likely cause; empty where there is none, or none is known."""
    next: str = ""
    """What to do next; empty where there is nothing."""

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}" if self.reason else self.word


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is known of a representation; no answer stands for another."""

    sound: Answer[SoundWord]
    """Faults and collapse: decided without labels."""
    learning: Answer[LearningWord]
    """Better than random weights at telling images apart: decided without labels."""
    useful: Answer[UsefulWord]
    """Whether it serves the user's classes: decided with a few labels, never without."""

    @property
    def ok(self) -> bool:
        """Nothing is known to be broken."""
        return verdict_word(self.sound.word).ok

    def __str__(self) -> str:
        """The three questions with their answers, a line each."""
        return "\n".join(f"{asked} {getattr(self, name)}" for name, asked in QUESTIONS.items())
