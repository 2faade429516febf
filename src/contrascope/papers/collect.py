"""table.json: what a table's folder holds so far, in one record from which its page is made. No torch."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from contrascope import records
from contrascope.errors import InputError
from contrascope.papers.table import Cell, Scale
from contrascope.records.inside import inside
from contrascope.records.kinds import EnvironmentRecord
from contrascope.records.sweeps import (
    FINISHED,
    MeasuredRecord,
    MeasureEntry,
    SweepRecord,
    TableCellEntry,
    TableRecord,
    TrialEntry,
)
from contrascope.records.typed import read_record, write_record
from contrascope.settings import to_json

ALONE, AXIS = "alone", "cell"
"""Folder of what is measured without a run, and the axis of a table's sweep beside the seeds."""


def measured(folder: Path) -> dict[str, MeasureEntry]:
    """What is measured in a folder; nothing where its file is missing or damaged: it is measured anew then."""
    path = inside(folder, MeasuredRecord.FILE)
    if not path.is_file():
        return {}
    try:
        found = read_record(MeasuredRecord, path)
    except InputError:
        return {}
    return {} if found.missing or found.wrong else found.record.measures


def alone_folder(out: Path, cell: Cell) -> Path:
    """Where the measurements of a cell without a run lie."""
    return inside(out, ALONE, cell.name.replace("/", "_"))


def sweep_of(out: Path) -> SweepRecord | None:
    """The sweep of a table's folder, None where there is none; raises `InputError` where its record is damaged."""
    path = out / SweepRecord.FILE
    return read_record(SweepRecord, path).require("trials") if path.is_file() else None


def collected(name: str, scale: Scale, out: Path, cells: Sequence[Cell], *, dry: bool) -> TableRecord:
    """The record of a table from its folder: every trial that was begun, and what is measured without a run."""
    sweep = sweep_of(out)
    trials = [] if sweep is None else [one for one in sweep.trials if AXIS in one.values]
    entries = [_of_trial(one, out) for one in trials]
    alone = [one for one in cells if one.settings is None]
    found = [
        TableCellEntry(cell=one.name, seed="", state=FINISHED, measures=measured(alone_folder(out, one)))
        for one in alone
    ]
    settings = {one.name: to_json(one.settings) for one in cells if one.settings is not None}
    begun = {one.values[AXIS] for one in trials}
    return TableRecord(
        table=name,
        scale=scale,
        dry=dry,
        cells=(*entries, *found),
        settings={name: tree for name, tree in settings.items() if name in begun},
        machine=_machine(out, trials),
    )


def keep(record: TableRecord, out: Path) -> None:
    """Writes table.json into a table's folder."""
    write_record(inside(out, TableRecord.FILE), record)


def kept_table(path: Path) -> TableRecord:
    """The record in a table's folder, or in a file; raises `InputError` where there is none or it is damaged."""
    file = path / TableRecord.FILE if path.is_dir() else path
    return read_record(TableRecord, file).require("table", "scale")


def _of_trial(trial: TrialEntry, out: Path) -> TableCellEntry:
    run = inside(out, trial.name)
    last = trial.marks[-1] if trial.marks else None
    return TableCellEntry(
        cell=trial.values[AXIS],
        seed=trial.seed,
        state=trial.state,
        why=trial.why,
        minutes=records.training_minutes(run),
        sound="" if last is None else last.sound,
        measures=measured(run) if run.is_dir() else {},
    )


def _machine(out: Path, trials: Sequence[TrialEntry]) -> str:
    """Processor or GPU, threads and torch of the last run that was begun."""
    for trial in reversed(trials):
        with contextlib.suppress(InputError, OSError):
            found = read_record(EnvironmentRecord, inside(out, trial.name, records.ENVIRONMENT)).record
            return _in_words(found)
    return ""


def _in_words(found: EnvironmentRecord) -> str:
    """The machine of a run.

    >>> from contrascope.records.entry import empty
    >>> _in_words(empty(EnvironmentRecord))
    ''
    """
    threads = f"{found.threads} thread{'' if found.threads == 1 else 's'}" if found.threads else ""
    torch = found.versions.get("torch")
    where = found.processor if found.device == "cpu" else found.device
    return ", ".join(filter(None, (where, threads, f"torch {torch}" if torch else "")))
