"""contrascope report: one HTML page of a run, or a comparison of several."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from contrascope.commands.command import DONE, Command, Computing
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class ReportArguments(Computing):
    """Write one self-contained HTML page of a run, or a page that compares several runs.

    The page is made from the records in the folders alone. What a single run lacks is measured first where its
    images are at hand: the diagnosis, and the gallery with the map.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folders of runs."""
    out: Path | None = None
    """File to write; unset: report.html in the run's folder, or comparison.html here for several."""
    gallery: bool = True
    """Measure and write gallery.json (thumbnails, map, spectra) where it is missing."""
    points: int = 5000
    """Points of the map in a new gallery.json, at most 20,000."""
    diagnosis: bool = True
    """Measure and write diagnosis.json where it is missing."""


def run(parsed: ReportArguments, progress: CommandProgress) -> int:
    """Complete the records of a single run, write the page, print its path."""
    runs = [one.expanduser() for one in parsed.runs]
    if len(runs) == 1 and (parsed.gallery or parsed.diagnosis):
        from contrascope.gallery.complete import complete
        from contrascope.machine.device import find_device

        for said in complete(
            runs[0],
            gallery=parsed.gallery,
            diagnosis=parsed.diagnosis,
            points=parsed.points,
            device=find_device(parsed.device),
        ):
            progress.say(said)
    from contrascope.reports.page import write_report

    out = parsed.out or (runs[0] / "report.html" if len(runs) == 1 else Path("comparison.html"))
    sys.stdout.write(f"{write_report(runs, out)}\n")
    return DONE


COMMAND = Command(
    name="report",
    group="show",
    words="RUN...",
    summary="one HTML page of a run, or a comparison of several",
    arguments=ReportArguments,
    run=run,
    shown=(
        shown("--out", "file to write", "report.html in the run's folder; of several: comparison.html here"),
        shown("--no-gallery", "measure no pictures and no map where they are missing"),
        shown("--no-diagnosis", "measure no diagnosis where it is missing"),
        shown("--points", "points of a new map, at most 20,000"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope report runs/my-run",
        "contrascope report runs/a runs/b runs/c --out compare.html",
    ),
    stopped="No page was written; records that were missing and are measured now are kept.",
)
