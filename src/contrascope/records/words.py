"""What the vocabulary is made of: a measured number, a row of metrics.jsonl, a verdict."""

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", ""]
"""Which direction is better; empty: neither, or it depends."""
ARROWS: dict[Better, str] = {"higher": "↑", "lower": "↓", "": ""}
"""A sign for the better direction, where there is little room."""
Tone = Literal["good", "open", "bad"]
"""How a word is shown."""
MARKS: dict[Tone, str] = {"good": "✓", "open": "?", "bad": "✗"}
"""A sign beside a word, so that the colour says nothing alone."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number that some record holds at a path."""

    path: str
    """Where it stands below its layer, labelling or network."""
    title: str
    """What it is called on the page."""
    unit: str
    """Its unit or its range; empty: none worth saying."""
    better: Better = ""
    """Which direction is better."""
    short: str = ""
    """What a terminal calls it; empty: the title."""
    table: str = ""
    """Which table of the page it belongs to."""
    bar: str = ""
    """Its name in the figure of shares; empty: not in it."""
    main: bool = False
    """Whether a notebook shows it."""
    row: str = ""
    """Its key in metrics.jsonl behind `h_` or `z_`; empty: it is not followed in training."""
    figure: str = ""
    """The figure against epochs that shows it, where it is followed."""

    @property
    def named(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def brief(self) -> str:
        """Short title and, where one direction is better, an arrow."""
        words = self.short or self.title
        return f"{words} {ARROWS[self.better]}" if self.better else words


@dataclass(frozen=True, kw_only=True)
class RowWord:
    """A key of the rows of metrics.jsonl."""

    key: str
    """The key, or how it begins."""
    title: str
    """What it is called."""
    unit: str = ""
    """Its unit or its range."""
    figure: str = ""
    """The figure that shows it; empty: the table of everything else."""
    layered: bool = False
    """Whether `h_` or `z_` stands before it."""
    prefix: bool = False
    """Whether the name of an operation or a label column follows."""


@dataclass(frozen=True, kw_only=True)
class VerdictWord:
    """A word that judges."""

    word: str
    """The word."""
    tone: Tone
    """How it is shown."""
    grave: bool = False
    """Whether it is an alarm from the first diagnosis on; others only in the second half of a run."""
    mark: str = ""
    """Its sign; empty: that of its tone."""

    @property
    def sign(self) -> str:
        """The sign beside the word."""
        return self.mark or MARKS[self.tone]

    @property
    def ok(self) -> bool:
        """Neither broken nor suspected."""
        return self.tone != "bad"
