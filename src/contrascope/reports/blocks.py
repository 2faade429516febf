"""What a section is made of: plain values that a template shows; figures carry their table with them."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from contrascope.records.answers import ShownAnswer
from contrascope.reports.headline.parts import KeyNumbers, Role, Steps
from contrascope.reports.load import estimate, number

SHORTCUT = "shortcut-pictures"
"""Anchor of the pictures of a shortcut."""
MOST_ROWS = 60
"""Rows of a table behind a figure; of more that many, evenly spaced."""
MOST_POINTS = 600
"""Bins of a curve; each keeps its least and its largest value."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; `words` of a cell may be numbers that are already text."""

    template: ClassVar[str] = "table"
    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    read: str = ""
    """How to read it."""
    note: str = ""
    """What was left out."""
    sortable: bool = False
    folded: bool = False
    """Whether the page shows its title alone until it is asked for."""
    whole: bool = False
    """Whether all its rows are shown at once; else the first eight of more than ten, and a button for the others."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An interactive figure, its text alternative and its table."""

    template: ClassVar[str] = "figure"
    title: str
    alt: str
    """What the figure shows, in one sentence with numbers."""
    read: str
    """How to read it."""
    table: Table
    data: list[dict[str, Any]]
    layout: dict[str, Any] = field(default_factory=dict)
    wide: bool = False
    """Whether it takes the page's whole width."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names and values."""

    template: ClassVar[str] = "facts"
    title: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The three answers."""

    template: ClassVar[str] = "judgement"
    answers: tuple[ShownAnswer, ...]
    """Sound, learning, useful."""
    origin: str
    """Whose answers they are: of the diagnosis, of the monitor while training, or nobody's."""
    about: str
    """What they were measured on."""
    remark: str
    """What stands above them where they are not a diagnosis's."""
    pictures: str = ""
    """Anchor of the pictures of a shortcut, to which the answer on learning leads; empty where there are none."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One thumbnail: where it lies in its sheet, and what it is."""

    sheet: int
    place: int
    alt: str
    words: tuple[str, ...] = ()
    """Shown when the tile is pointed at or has the focus."""
    caption: str = ""
    name: str = ""
    """The file, shown below the picture; empty where the row's heading says it."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A row of thumbnails."""

    heading: str
    """What the row is of; may be empty."""
    tiles: list[Tile]
    """Its thumbnails."""
    label: str = ""
    """Class of its image, by which the page filters; empty where it is not known."""
    cluster: str = ""
    """Pseudo-class of its image."""


@dataclass(frozen=True, kw_only=True)
class Strips:
    """Rows of thumbnails."""

    template: ClassVar[str] = "strips"
    title: str
    read: str
    rows: list[Strip]
    anchor: str = ""
    """What a link on the page leads to; empty where none does."""
    narrow: bool = False
    """Whether it shares the page's width with what to do next."""

    @property
    def most(self) -> int:
        """Thumbnails of the longest row."""
        return max((len(row.tiles) for row in self.rows), default=1)


@dataclass(frozen=True, kw_only=True)
class Map:
    """A map of points; the page's script draws it, and the table stands for it."""

    template: ClassVar[str] = "map"
    title: str
    alt: str
    read: str
    table: Table
    points: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Text with a button that copies it."""

    template: ClassVar[str] = "copy"
    title: str
    text: str
    read: str = ""


Block = Table | Figure | Facts | Judgement | KeyNumbers | Steps | Strips | Map | Copy


def short(value: Any, digits: int = 4) -> str:
    """A number as text; an en dash where there is none.

    >>> short(0.123456), short(12345.6), short(None)
    ('0.1235', '12,346', '–')
    """
    found = number(value)
    if found is None:
        return "–"
    if abs(found) >= 10_000 and abs(found) < 1e15:
        return f"{found:,.0f}"
    return f"{found:.{digits}g}"


def interval(value: Any) -> str:
    """An estimate as text, with its interval where it has one.

    >>> interval({"value": 0.5, "low": 0.4, "high": 0.6}), interval(None)
    ('0.5 [0.4, 0.6]', '–')
    """
    found = estimate(value)
    if found is None:
        return "–"
    middle, low, high = found
    return short(middle, 3) if low == high else f"{short(middle, 3)} [{short(low, 3)}, {short(high, 3)}]"


def percent(found: tuple[float, float, float] | None) -> str:
    """A share as per cent with its interval; an en dash where there is none."""
    if found is None:
        return "–"
    value, low, high = (100 * part for part in found)
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def label(text: Any, most: int = 60) -> str:
    """Text for a figure, where `<b>` would be markup: escaped, and cut.

    >>> label("<script>")
    '&lt;script&gt;'
    """
    words = str(text)
    return html.escape(words if len(words) <= most else words[: most - 1] + "…", quote=False)


def sample(rows: Sequence[Any], most: int = MOST_ROWS) -> tuple[list[Any], str]:
    """At most `most` rows, evenly spaced with both ends, and a note if some were left out.

    >>> sample([1, 2, 3, 4, 5], 3)
    ([1, 3, 5], '3 of 5 rows, evenly spaced.')
    """
    if len(rows) <= most:
        return list(rows), ""
    places = [round(i * (len(rows) - 1) / (most - 1)) for i in range(most)]
    return [rows[place] for place in places], f"{most} of {len(rows):,} rows, evenly spaced."


def thin(x: Sequence[Any], y: Sequence[Any]) -> tuple[list[float], list[float]]:
    """A curve with at most two points a bin, its least and largest: no spike is lost.

    >>> thin([0, 1, 2], [5.0, None, 6.0])
    ([0.0, 2.0], [5.0, 6.0])
    """
    points = [(float(a), float(b)) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    if len(points) > 2 * MOST_POINTS:
        size = -(-len(points) // MOST_POINTS)
        kept: list[tuple[float, float]] = []
        for start in range(0, len(points), size):
            part = points[start : start + size]
            ends = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
            kept += sorted(ends)
        points = kept
    return [a for a, _ in points], [b for _, b in points]


DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "hexagon")


def line(name: str, x: Sequence[Any], y: Sequence[Any], place: int, *, marks: bool = False) -> dict[str, Any]:
    """A curve; its dash and its marks tell it from the others, not only its colour."""
    xs, ys = thin(x, y)
    return {
        "type": "scatter",
        "mode": "lines+markers" if marks or len(xs) == 1 else "lines",
        "name": label(name),
        "meta": role(name),
        "x": xs,
        "y": [float(f"{value:.6g}") for value in ys],
        "line": {"dash": DASHES[place % len(DASHES)], "width": 2},
        "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 7},
    }


def role(name: str) -> Role:
    """Whose curve this is, by its name; the page gives each a colour.

    >>> role("alignment, encoder h"), role("random encoder"), role("reference of z"), role("gain over random weights")
    ('encoder', 'reference', 'reference', '')
    """
    words = name.lower().replace("over random", "")
    if "raw pixels" in words:
        return "pixels"
    if "random" in words or "reference" in words:
        return "reference"
    if "projector" in words:
        return "projector"
    return "encoder" if "encoder" in words else ""


def axes(x: str, y: str, **more: Any) -> dict[str, Any]:
    """The layout of a figure with two named axes."""
    return {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}, **more}


def rows_of(*columns: Iterable[Any]) -> list[tuple[str, ...]]:
    """Rows of text from columns of numbers or words."""
    return [
        tuple(item if isinstance(item, str) else short(item) for item in row)
        for row in zip(*columns, strict=True)
    ]
