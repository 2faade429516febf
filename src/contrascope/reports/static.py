"""One figure as a file for a paper: SVG, PDF or PNG, drawn from records by matplotlib."""

import io
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.errors import InputError, MissingExtraError
from contrascope.extras import install_line
from contrascope.progress import Say, unheard
from contrascope.reports.static_blocks import Cells, Panel, Panels, Points
from contrascope.reports.static_panels import panels

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without its yellow, which is too pale on white: safe for colour-blind readers."""
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (8, 3)), (0, (8, 3, 2, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FORMATS = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
"""Suffix to what matplotlib must not write, so that equal records give equal bytes."""
FEW = 40
"""Points up to which a curve has marks."""
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "contrascope",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "text.usetex": False,
}
"""Text stays text in SVG and PDF; names with a dollar sign are not mathematics."""


def write_figure(
    paths: Sequence[Path], name: str, out: Path, *, width: float = 7.0, say: Say = unheard
) -> Path:
    """Draws a figure of these runs, `width` inches wide, and writes it whole or not at all; returns the file.

    Curves of one run differ in colour and dash; of several runs the colour is the run's and the dash the curve's.
    Raises `InputError` for an unknown name, a missing record, or a suffix other than .svg, .pdf and .png; `say` hears
    what is damaged in the records.
    """
    suffix = out.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(
            f"{out.name}: cannot draw {suffix or 'a file without suffix'}. Use .svg, .pdf or .png."
        )
    if not 2 <= width <= 40:
        raise InputError(f"a figure {width:g} inches wide; expected 2 to 40.")
    content = _rendered(panels(name, paths, say=say), suffix, width)
    out.parent.mkdir(parents=True, exist_ok=True)
    records.write_atomic(out, content)
    return out


def _rendered(found: Panels, suffix: str, width: float) -> bytes:
    try:
        import matplotlib as mpl
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise MissingExtraError(
            f"figures need matplotlib, which cannot be imported ({error}). Run: {install_line('figures')}"
        ) from error
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        file = io.BytesIO()
        _drawn(found, width).savefig(file, format=suffix[1:], dpi=200, metadata=FORMATS[suffix])
    return file.getvalue()


def _drawn(found: Panels, width: float) -> Any:
    """Matplotlib's figure: panels in one column or two, pictures of cells up to three abreast, one key below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(found), 3 if isinstance(found[0], Cells) else 2)
    rows = -(-len(found) // columns)
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    handles: dict[str, Any] = {}
    for axis, panel in zip(grid, found, strict=False):
        match panel:
            case Points():
                drawn = _draw_points(axis, panel)
            case Cells():
                drawn = _draw_cells(axis, panel, width / columns)
            case Panel():
                drawn = _draw_curves(axis, panel)
        handles |= {label: handle for label, handle in drawn.items() if label not in handles}
        axis.set_title(shown(panel.title))
        axis.set_xlabel(shown(panel.x))
        axis.set_ylabel(shown(panel.y))
    for axis in grid[len(found) :]:
        axis.remove()
    if isinstance(found[0], Cells):
        return _with_scale(figure, found, handles, (width, rows))
    fitting = int(width * 12 // max(map(len, handles), default=1))
    across = max(1, min(len(handles), fitting, 6))
    lines = -(-len(handles) // across)
    high = width * 0.95 if isinstance(found[0], Points) else width * 0.62
    figure.set_size_inches(width, rows * high / columns + 0.2 * lines + 0.2)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=across, fontsize=8)
    return figure


def _draw_cells(axis: Any, panel: Cells, width: float) -> dict[str, Any]:
    """Shades with their texts, in the largest letters that fit, light on dark."""
    values = [[float("nan") if value is None else value for value in row] for row in panel.values]
    image = axis.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.grid(visible=False)
    axis.set_xticks(
        range(len(panel.columns)), [textwrap.fill(shown(name), 12) for name in panel.columns], fontsize=8
    )
    axis.set_yticks(range(len(panel.rows)), [shown(name) for name in panel.rows], fontsize=8)
    longest = max(len(text) for row in panel.texts for text in row)
    letters = min(8.0, (width - 1) * 72 / len(panel.columns) / (0.58 * longest))
    for y, (row, texts) in enumerate(zip(values, panel.texts, strict=True)):
        for x, (value, text) in enumerate(zip(row, texts, strict=True)):
            colour = "white" if value > 0.7 else "black"
            axis.text(x, y, text, ha="center", va="center", fontsize=letters, color=colour)
    return {panel.scale: image}


def _with_scale(figure: Any, found: Panels, handles: dict[str, Any], size: tuple[float, int]) -> Any:
    """One bar of shades under all pictures, and a height of a quarter of an inch a row."""
    width, rows = size
    most = max(len(panel.rows) for panel in found if isinstance(panel, Cells))
    figure.set_size_inches(width, rows * (0.25 * most + 1.1) + 0.7)
    for words, image in handles.items():
        bar = figure.colorbar(image, ax=figure.axes, location="bottom", fraction=0.05, aspect=60, shrink=0.6)
        bar.set_label("\n".join(textwrap.wrap(words, int(width * 14))), fontsize=8)
    return figure


def _draw_curves(axis: Any, panel: Panel) -> dict[str, Any]:
    drawn = {}
    for curve in panel.curves:
        colour, dash = COLOURS[curve.colour % len(COLOURS)], DASHES[curve.dash % len(DASHES)]
        mark = MARKERS[(curve.colour + curve.dash) % len(MARKERS)] if len(curve.x) <= FEW else None
        if curve.low is not None and curve.high is not None:
            axis.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
        (drawn[shown(curve.label)],) = axis.plot(
            curve.x, curve.y, color=colour, linestyle=dash, linewidth=1.5, marker=mark, markersize=3.5
        )
    if panel.log_x:
        axis.set_xscale("log")
        _plain_numbers(axis.xaxis)
    if panel.log_y:
        axis.set_yscale("log")
        _plain_numbers(axis.yaxis)
    return drawn


def _plain_numbers(line: Any) -> None:
    """Powers of ten as decimals: mathematics is switched off for the sake of names."""
    line.set_major_formatter(lambda value, _: f"{value:g}")
    line.set_minor_formatter(lambda value, _: "")


def _draw_points(axis: Any, panel: Points) -> dict[str, Any]:
    drawn = {}
    named = [*panel.names.items(), (None, "other classes")]
    for number, (wanted, name) in enumerate(named):
        mine = [i for i, code in enumerate(panel.codes) if _code(code, panel) == wanted]
        if not mine:
            continue
        x, y = zip(*(panel.places[i] for i in mine), strict=True)
        drawn[shown(name)] = axis.scatter(
            x,
            y,
            s=14 if panel.equal else 40,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
            alpha=0.7,
            linewidths=0,
            rasterized=len(panel.places) > 5000,
        )
    if panel.equal:
        axis.set_aspect("equal", adjustable="datalim")
    return drawn


def _code(code: int, panel: Points) -> int | None:
    """The class of a point, or None for those that share one sign."""
    return code if code in panel.names else None


def shown(text: str) -> str:
    r"""Text without signs that cannot be printed; a leading underscore, which hides a legend's entry, gets a blank.

    >>> shown("_a\n<b>")
    ' _a<b>'
    """
    words = "".join(sign for sign in text if sign.isprintable())
    return f" {words}" if words.startswith("_") else words
