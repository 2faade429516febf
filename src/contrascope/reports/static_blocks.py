"""What a static figure is made of: panels of curves, maps and pictures of cells, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DrawnCurve:
    """One line and, where it is known, its interval."""

    label: str
    x: list[float]
    y: list[float]
    low: list[float] | None = None
    high: list[float] | None = None
    colour: int
    """Place in the palette: the run's, or the curve's where there is one run."""
    dash: int
    """Place among the dashes: the curve's."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Curves over one pair of axes."""

    title: str
    x: str
    y: str
    curves: tuple[DrawnCurve, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True)
class Points:
    """A map: one point an image, coloured by class."""

    title: str
    x: str
    y: str
    places: list[tuple[float, float]]
    codes: list[int]
    names: dict[int, str]
    equal: bool = True
    """Whether both axes have one unit."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A table whose entries have a shade and a text."""

    title: str
    x: str
    y: str
    columns: list[str]
    rows: list[str]
    values: list[list[float | None]]
    """0 to 1, a row each; None is left blank."""
    texts: list[list[str]]
    scale: str
    """What the shade tells."""


Panels = list[Panel] | list[Points] | list[Cells]
