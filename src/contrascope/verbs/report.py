"""One page of a run, or of several."""

from collections.abc import Sequence
from pathlib import Path

from contrascope.gallery.complete import complete
from contrascope.progress import Say, unheard
from contrascope.reports.page import write_report
from contrascope.runs.load import Run
from contrascope.verbs.given import Device


def report(
    runs: Path | str | Run | Sequence[Path | str | Run],
    out: Path | str | None = None,
    *,
    gallery: bool = True,
    diagnosis: bool = True,
    points: int = 5000,
    device: Device = None,
    say: Say = unheard,
) -> Path:
    """One self-contained HTML page of a run, or a comparison of several; returns the file.

    What a single run lacks, the diagnosis and the gallery, is measured first where its images are at hand.
    """
    several = [runs] if isinstance(runs, Path | str | Run) else list(runs)
    folders = [one.path if isinstance(one, Run) else Path(one).expanduser() for one in several]
    if len(folders) == 1 and (gallery or diagnosis):
        for said in complete(folders[0], gallery=gallery, diagnosis=diagnosis, points=points, device=device):
            say(said)
    default = folders[0] / "report.html" if len(folders) == 1 else Path("comparison.html")
    return write_report(folders, default if out is None else Path(out).expanduser())
