"""contrascope runs: what lies in a folder of runs, one line each; and moving and deleting a run."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contrascope import records
from contrascope.commands.command import DONE, Command, Common
from contrascope.errors import InputError
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress

MOVE, DELETE = "move", "delete"


@dataclass(frozen=True, kw_only=True)
class RunsArguments(Common):
    """List the runs below a folder: what was trained, how far it is, the answers, and the disk that each uses.

    `runs move RUN TO` moves a run, into the folder TO or to that name; `runs delete RUN` deletes one after asking. Both
    refuse what is not a run and a run that is in use. Listing reads the records in the folders and changes nothing.
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER]")] = ("runs",)
    """Where to look, one folder deep and itself; or `move RUN TO`, or `delete RUN`."""
    json: bool = False
    """Print the rows as JSON."""
    yes: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Delete without asking."""


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
    sound: str
    """Whether it is sound: of its diagnosis, or of its last probe."""
    learning: str
    """Whether it is learning."""
    useful: str
    """Whether it is useful for its classes."""
    answers_from: str
    """Whose answers they are: diagnosis, while training, older version (which answered none of them), or nobody's."""
    knn: float | None
    """kNN accuracy of the trained encoder, share of test images; None where none was measured."""
    megabytes: float
    """Size of all its files; links are not followed."""
    checkpoint_megabytes: float
    """Size of its checkpoints, a part of `megabytes`."""


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
    from contrascope.reports.answers import judgement
    from contrascope.reports.load import load
    from contrascope.runs.manage import disk_use

    found, use = load(place), disk_use(place)
    judged = judgement(found)
    sound, learning, useful = (answer.word for answer in judged.answers)
    epochs = value_at(found.settings, "training.epochs")
    scores = [row for row in found.evaluation.rows if (row.of, row.name) == ("trained encoder", "knn")]
    return RunRow(
        run=str(place),
        method=str(value_at(found.settings, "method.kind") or "?").removesuffix("Settings"),
        data=str(value_at(found.settings, "data.source") or "?"),
        step=_step(place),
        epochs=epochs if isinstance(epochs, int) else None,
        sound=sound,
        learning=learning,
        useful=useful,
        answers_from=judged.origin,
        knn=scores[0].value if scores else None,
        megabytes=round(use.total / 1e6, 1),
        checkpoint_megabytes=round(use.checkpoints / 1e6, 1),
    )


def _step(place: Path) -> int:
    try:
        checkpoints = records.checkpoint_folders(place)
    except InputError:  # links in place of them
        return 0
    return checkpoints[-1][0] if checkpoints else 0


def table_of(rows: Sequence[RunRow]) -> str:
    """The rows as text."""
    table, answered = Table(), ("sound", "learning", "useful", "answers_from")
    named = ("run", "method", "data", *(name.replace("_", " ") for name in answered))
    for title in (*named[:3], "step", "epochs", *named[3:], "kNN %", "MB", "checkpoints MB"):
        table.add_column(title, justify="left" if title in named else "right", overflow="fold")
    for one in rows:
        words = (one.run, one.method, one.data, str(one.step), "–" if one.epochs is None else str(one.epochs))
        judged = (getattr(one, name) or "–" for name in answered)
        score = "–" if one.knn is None else f"{100 * one.knn:.1f}"
        sizes = (f"{one.megabytes:.1f}", f"{one.checkpoint_megabytes:.1f}")
        table.add_row(*map(Text, (*words, *judged, score, *sizes)))
    text = StringIO()
    console = Console(file=text, width=140)
    console.print(table)
    whole, kept = sum(one.megabytes for one in rows), sum(one.checkpoint_megabytes for one in rows)
    console.print(Text(f"{len(rows)} runs, {whole:.1f} MB, of them {kept:.1f} MB checkpoints."))
    return text.getvalue()


def run(parsed: RunsArguments, progress: CommandProgress) -> int:
    """Print the rows; or move or delete a run."""
    del progress
    first, *rest = (*parsed.words, "runs") if not parsed.words else parsed.words
    if first == MOVE and rest:
        return _move(rest)
    if first == DELETE and rest:
        return _delete(rest, sure=parsed.yes)
    if rest:
        raise InputError(
            f"runs takes one folder; got {' '.join(parsed.words)}. Expected: contrascope runs [FOLDER], "
            "runs move RUN TO, or runs delete RUN"
        )
    rows = rows_below(Path(first).expanduser())
    if not rows:
        raise InputError(f"there are no runs in {first}; a run's folder holds {records.SETTINGS}.")
    sys.stdout.write(
        json.dumps([asdict(row) for row in rows], indent=2) + "\n" if parsed.json else table_of(rows)
    )
    return DONE


def _move(words: list[str]) -> int:
    from contrascope.runs.manage import move_run

    if len(words) != 2:
        raise InputError(f"runs move takes a run and where to; got {' '.join(words)}.")
    sys.stdout.write(f"{move_run(*(Path(word).expanduser() for word in words))}\n")
    return DONE


def _delete(words: list[str], *, sure: bool) -> int:
    from contrascope.runs.manage import delete_run, require_run

    if len(words) != 1:
        raise InputError(f"runs delete takes one run; got {' '.join(words)}.")
    place = Path(words[0]).expanduser()
    require_run(place)
    if not sure and not _agreed(place):
        sys.stdout.write(f"{place} stays.\n")
        return DONE
    sys.stdout.write(f"{place} is deleted: {delete_run(place).total / 1e6:.1f} MB are free.\n")
    return DONE


def _agreed(place: Path) -> bool:
    """Whether somebody at the terminal says yes."""
    if not sys.stdin.isatty():
        raise InputError(f"{place} is deleted only after a yes at a terminal, or with --yes.")
    row = _row(place)
    sys.stdout.write(f"Delete {place} ({row.method}, step {row.step}, {row.megabytes:.1f} MB)? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


COMMAND = Command(
    name="runs",
    group="show",
    words="[FOLDER]",
    summary="the runs in a folder: how far, the answers, kNN, disk; also: runs move, runs delete",
    arguments=RunsArguments,
    run=run,
    shown=(
        shown("--json", "print the rows as JSON"),
        shown("--yes", "delete without asking"),
        shown("--quiet", "print only the rows"),
    ),
    examples=(
        "contrascope runs ~/experiments",
        "contrascope runs runs --json",
        "contrascope runs move runs/my-run ~/kept",
        "contrascope runs delete runs/my-run",
    ),
    stopped="No run was moved or deleted by half: one of a hidden name .NAME.deleted may be removed.",
)
