"""Clouds of embedded images side by side, as SVG from a table's record alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from contrascope.papers.values import NotMeasuredError, SeedValues

COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"),
    *("#56b4e9", "#8c564b", "#b8a800", "#7f7f7f", "#332288"),
)
"""Of ten classes; an eleventh takes the first again."""
SIDE, GAP, FOOT = 240, 20, 42
"""Pixels of a cloud, between two, and of the words below."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One panel: places of the same images by one network."""

    title: str
    """What is shown."""
    cell: str
    """Whose measurement."""
    at: str
    """`start` or `end`: the curves `x_AT`, `y_AT` and `class` of that cell."""
    number: str
    """The value that stands below."""
    number_is: str
    """And what it is called."""


def clouds_svg(clouds: Sequence[Cloud], seed: SeedValues) -> str | None:
    """The picture of one seed; None where a panel is not measured."""
    try:
        parts = [_cloud(one, seed, left=place * (SIDE + GAP)) for place, one in enumerate(clouds)]
    except NotMeasuredError:
        return None
    width, height = len(clouds) * (SIDE + GAP) - GAP, SIDE + FOOT
    box = f"-8 -8 {width + 16} {height + 16}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif">'
    paper = f'<rect x="-8" y="-8" width="{width + 16}" height="{height + 16}" fill="#fff"/>'
    return "\n".join([head, paper, *parts, "</svg>"]) + "\n"


def _cloud(one: Cloud, seed: SeedValues, *, left: int) -> str:
    x, y, classes = (seed.curve(one.cell, name) for name in (f"x_{one.at}", f"y_{one.at}", "class"))
    fills = (COLOURS[int(of) % len(COLOURS)] for of in classes)
    dots = "".join(
        f'<circle cx="{left + SIDE * across:.1f}" cy="{SIDE * down:.1f}" r="2.2" fill="{fill}"/>'
        for across, down, fill in zip(x, y, fills, strict=True)
    )
    frame = f'<rect x="{left}" y="0" width="{SIDE}" height="{SIDE}" fill="none" stroke="#bbb"/>'
    words = (one.title, f"{one.number_is} {seed(one.cell, one.number):.3f}")
    said = "".join(
        f'<text x="{left}" y="{SIDE + 17 + 18 * line}" font-size="13" fill="#222">{escape(text)}</text>'
        for line, text in enumerate(words)
    )
    return f'<g fill-opacity="0.8">{dots}</g>{frame}{said}'
