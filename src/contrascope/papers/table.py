"""A paper's table as a value: its cells, what is measured of them, published numbers, the page's panels, the claims."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from contrascope.errors import InputError
from contrascope.papers.claims import Claim
from contrascope.papers.picture import Cloud
from contrascope.papers.values import SeedValues
from contrascope.runs.settings import RunSettings

Scale = Literal["cpu", "gpu", "paper"]
SCALES: tuple[Scale, ...] = get_args(Scale)
"""Minutes a cell on a CPU; minutes a cell on a GPU with the paper's networks; the paper's settings."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the images of a table come from: folders, or names on the hub."""

    cifar10: str = "uoft-cs/cifar10"
    """Ten classes."""
    cifar100: str = "uoft-cs/cifar100"
    """A hundred classes in twenty groups."""
    transfer: tuple[str, ...] = ()
    """Sets that a frozen encoder is asked on, as `contrascope transfer --sets` takes them."""
    dry: bool = False
    """Drawn images in place of all of them: one step a cell, numbers that mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a table, or one measurement that needs none."""

    name: str
    """Unique in its table."""
    settings: RunSettings | None
    """All settings of its run but the seed; None: nothing is trained."""
    measures: tuple[str, ...]
    """What is measured of it, by name."""


@dataclass(frozen=True, kw_only=True)
class PanelNumber:
    """What stands at a place of a panel."""

    value: Callable[[SeedValues], float]
    """One's own number of a seed."""
    published: float | None = None
    """The published one."""
    best: Callable[[SeedValues], float] | None = None
    """One's own by the paper's protocol, where that is another: the best epoch on test images."""


def number(cell: str, name: str, published: float | None = None, *, best: bool = False) -> PanelNumber:
    """A number of a cell; with `best`, `NAME_best` stands beside it."""
    beside = (lambda seed: seed(cell, f"{name}_best")) if best else None
    return PanelNumber(value=lambda seed: seed(cell, name), published=published, best=beside)


@dataclass(frozen=True, kw_only=True)
class TablePanel:
    """A part of the page: rows and columns, and which number of which cell stands where."""

    title: str
    """What is shown, with its unit."""
    rows: tuple[str, ...]
    """Titles of the rows."""
    columns: tuple[str, ...]
    """Titles of the columns."""
    at: Callable[[str, str], PanelNumber | None]
    """What stands at a row and a column; None: nothing does."""
    digits: int = 1
    """Digits behind the point."""


Cells = Callable[[Scale, Sources], tuple[Cell, ...]]


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table or a figure of a paper."""

    name: str
    """What the command calls it."""
    title: str
    """One line."""
    source: str
    """Paper, and where in it or in what else the published numbers stand."""
    cells: Cells
    """Its cells at a scale, the most telling first."""
    panels: tuple[TablePanel, ...]
    """What its page shows."""
    claims: tuple[Claim, ...] = ()
    """What the paper concludes from it."""
    clouds: tuple[Cloud, ...] = ()
    """The picture beside the page, panel by panel."""
    notes: tuple[str, ...] = ()
    """What differs from the paper and no setting says."""


def chosen(cells: Sequence[Cell], only: Sequence[str]) -> tuple[Cell, ...]:
    """Cells whose name is one of these words, or has one in it; all where there are none.

    >>> cells = [Cell(name=name, settings=None, measures=()) for name in ("a/simclr", "a/moco")]
    >>> [one.name for one in chosen(cells, ["moco"])]
    ['a/moco']
    """
    names = {one.name for one in cells}
    found = tuple(
        one
        for one in cells
        if not only or any(word == one.name or (word not in names and word in one.name) for word in only)
    )
    if not found:
        listed = ", ".join(one.name for one in cells[:6])
        raise InputError(f"no cell has {' or '.join(only)} in its name; they are {listed}, and so on.")
    return found
