"""contrascope figure: one figure of one run or several, for a paper."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Common
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class FigureArguments(Common):
    """Draw one figure of one run or several as SVG, PDF or PNG; needs matplotlib, the extra `figures`.

    Figures: alignment-divergence, loss, learning-rate, uniformity, retrieval, ranks, spectrum, r-epsilon,
    concentration-curves, bound, projector-rank, nearest-negative, map, operations, alignment-uniformity.
    Map and operations draw several runs side by side, the others draw them in one plot.
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN... NAME")]
    """Folders of runs, then the name of the figure."""
    out: Path
    """File to write: .svg, .pdf or .png."""
    width: float = 7.0
    """Width in inches."""


def run(parsed: FigureArguments, progress: CommandProgress) -> int:
    """Draw, and print the file."""
    from contrascope.reports.static import write_figure

    *runs, name = parsed.words or ("",)
    folders = [Path(one).expanduser() for one in runs]
    sys.stdout.write(f"{write_figure(folders, name, parsed.out, width=parsed.width, say=progress.say)}\n")
    return DONE


COMMAND = Command(
    name="figure",
    group="show",
    words="RUN... NAME --out FILE",
    summary="one figure of one run or several, as SVG, PDF or PNG",
    arguments=FigureArguments,
    run=run,
    shown=(
        shown("--out", "file to write: .svg, .pdf or .png"),
        shown("--width", "width in inches"),
    ),
    examples=(
        "contrascope figure runs/my-run loss --out loss.svg",
        "contrascope figure runs/a runs/b alignment-divergence --out two.pdf --width 3.5",
    ),
)
