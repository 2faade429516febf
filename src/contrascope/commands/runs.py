"""contrascope runs: what lies in a folder of runs, one line each."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contrascope import records
from contrascope.commands.command import DONE, Command, Common
from contrascope.errors import InputError
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress


@dataclass(frozen=True, kw_only=True)
class RunsArguments(Common):
    """List the runs below a folder: what was trained, how far it is, the verdict, and the disk that each uses.

    Everything is read from the records in the folders; nothing is measured, opened or changed.
    """

    folder: tyro.conf.Positional[Path] = Path("runs")
    """Where to look, one folder deep and itself."""
    json: bool = False
    """Print the rows as JSON."""


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run."""

    run: str
    """Its folder."""
    method: str
    """Its method, as the settings write it."""
    data: str
    """Source of its images."""
    step: int
    """Step of the newest checkpoint; 0: none."""
    epochs: int | None
    """Epochs that were asked for."""
    verdict: str
    """Of its diagnosis, or of its last probe."""
    knn: float | None
    """kNN accuracy of the trained encoder, share of test images; None where none was measured."""
    megabytes: float
    """Size of all its files."""


def rows_below(folder: Path) -> list[RunRow]:
    """The runs in a folder and right below it, by name; a damaged record costs its cell, not the row."""
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}; name the one that holds your runs: contrascope runs FOLDER"
        )
    places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())]
    return [_row(place) for place in places if (place / records.SETTINGS).is_file()]


def _row(place: Path) -> RunRow:
    from contrascope.records.lookup import value_at
    from contrascope.reports.load import load
    from contrascope.reports.measured import judgement

    found = load(place)
    checkpoints = records.checkpoint_folders(place)
    epochs = value_at(found.settings, "training.epochs")
    scores = [row for row in found.evaluation.rows if (row.of, row.name) == ("trained encoder", "knn")]
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    return RunRow(
        run=str(place),
        method=str(value_at(found.settings, "method.kind") or "?").removesuffix("Settings"),
        data=str(value_at(found.settings, "data.source") or "?"),
        step=checkpoints[-1][0] if checkpoints else 0,
        epochs=epochs if isinstance(epochs, int) else None,
        verdict=judgement(found).word,
        knn=scores[0].value if scores else None,
        megabytes=round(sum(path.stat().st_size for path in files) / 1e6, 1),
    )


def table_of(rows: Sequence[RunRow]) -> str:
    """The rows as text."""
    table = Table()
    for title in ("run", "method", "data", "step", "epochs", "verdict", "kNN %", "MB"):
        words = title in ("run", "method", "data", "verdict")
        table.add_column(title, justify="left" if words else "right", overflow="fold")
    for one in rows:
        numbers = ("–" if one.epochs is None else str(one.epochs), one.verdict)
        score = "–" if one.knn is None else f"{100 * one.knn:.1f}"
        table.add_row(
            *map(
                Text, (one.run, one.method, one.data, str(one.step), *numbers, score, f"{one.megabytes:.1f}")
            )
        )
    text = StringIO()
    console = Console(file=text, width=140)
    console.print(table)
    console.print(Text(f"{len(rows)} runs, {sum(one.megabytes for one in rows):.1f} MB."))
    return text.getvalue()


def run(parsed: RunsArguments, progress: CommandProgress) -> int:
    """Print the rows."""
    del progress
    rows = rows_below(parsed.folder.expanduser())
    if not rows:
        raise InputError(f"there are no runs in {parsed.folder}; a run's folder holds {records.SETTINGS}.")
    sys.stdout.write(
        json.dumps([asdict(row) for row in rows], indent=2) + "\n" if parsed.json else table_of(rows)
    )
    return DONE


COMMAND = Command(
    name="runs",
    group="show",
    words="[FOLDER]",
    summary="the runs in a folder: how far, the verdict, kNN, disk",
    arguments=RunsArguments,
    run=run,
    shown=(shown("--json", "print the rows as JSON"), shown("--quiet", "print only the rows")),
    examples=("contrascope runs ~/experiments", "contrascope runs runs --json"),
    stopped="Nothing was changed.",
)
