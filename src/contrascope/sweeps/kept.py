"""sweep.json: read strictly, begun, gone on with, and written anew whenever a trial changes its state."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contrascope.errors import InputError
from contrascope.records.inside import inside
from contrascope.records.requests import RequestEntry
from contrascope.records.sweeps import ENDED, STATES, WAITING, AxisEntry, SweepRecord, TrialEntry
from contrascope.records.typed import read_record
from contrascope.runs.settings import RunSettings
from contrascope.runs.store import OpenRecord, Request, begin_record, refuse
from contrascope.settings import differences, from_json, to_json
from contrascope.sweeps.grid import Axis, Grid, Trial

NONE: Mapping[str, TrialEntry] = MappingProxyType({})
"""No trials."""
LOCK = f"{Path(SweepRecord.FILE).stem}.lock"
"""What holds a sweep's record."""


def recorded(folder: Path) -> SweepRecord:
    """The record of a sweep's folder; raises `InputError` where anything in it is missing or of another form."""
    path = folder / SweepRecord.FILE
    found = read_record(SweepRecord, path)
    found.writable()
    if found.missing or found.wrong:
        raise InputError(f"{' '.join(found.notices)} Restore {path}, or choose another --out.")
    record = found.record
    names = [trial.name for trial in record.trials]
    strange = [name for name in names if not name.startswith("seed=") or "/" in name or ".." in name]
    unknown = [trial.state for trial in record.trials if trial.state not in STATES]
    if not record.trials or strange or unknown or len(set(names)) < len(names):
        raise InputError(
            f"{path} is damaged ({_first(strange, unknown)}). Restore it, or choose another --out."
        )
    return record


def _first(strange: list[str], unknown: list[str]) -> str:
    if strange:
        return f"a trial is called {strange[0][:80]!r}"
    return f"a trial is {unknown[0][:80]!r}" if unknown else "it has no trials, or two of one name"


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (folder / SweepRecord.FILE).is_file()


def grid_of(record: SweepRecord) -> Grid:
    """The grid of a sweep that is there; what its settings name is not imported for that."""
    trials = tuple(
        Trial(
            name=one.name,
            seed=one.seed,
            values=one.values,
            settings=from_json(RunSettings, one.settings, path=f"{one.name}.settings"),
        )
        for one in record.trials
    )
    return Grid(axes=axes_of(record), trials=trials)


def axes_of(record: SweepRecord) -> tuple[Axis, ...]:
    """Its axes."""
    return tuple(Axis(path=one.path, values=one.values) for one in record.grid)


class SweepBook:
    """The record of a sweep at work."""

    def __init__(self, folder: Path, record: OpenRecord[SweepRecord]) -> None:
        self.folder, self._record = folder, record

    @property
    def record(self) -> SweepRecord:
        """As it stands."""
        return self._record.content

    def trial(self, name: str) -> TrialEntry:
        """The trial of this name."""
        return next(one for one in self.record.trials if one.name == name)

    def change(self, name: str, **fields: Any) -> TrialEntry:
        """Writes what is new of a trial."""
        changed = replace(self.trial(name), **fields)
        trials = tuple(changed if one.name == name else one for one in self.record.trials)
        self._write(replace(self.record, trials=trials))
        return changed

    def add(self, **fields: Any) -> None:
        """Writes other parts of the record."""
        self._write(replace(self.record, **fields))

    def _write(self, record: SweepRecord) -> None:
        self._record.content = record
        self._record.keep()


@contextlib.contextmanager
def begun(
    folder: Path, grid: Grid, *, halving: bool, copied: Mapping[str, TrialEntry] = NONE
) -> Iterator[SweepBook]:
    """Begins a sweep in a folder or goes on with the one that is there, and holds it meanwhile.

    `copied`: trials by name whose finished runs were copied into the folder.
    Raises `InputError` where another sweep is there, by other settings or grid: values may be added, and with `halving`
    nothing. What is finished stays, everything else waits again.
    """
    entries = tuple(
        copied.get(one.name)
        or TrialEntry(
            name=one.name,
            seed=one.seed,
            values=one.values,
            settings=to_json(one.settings),
            state=WAITING,
            starts=0,
        )
        for one in grid.trials
    )
    axes = tuple(AxisEntry(path=one.path, values=one.values) for one in grid.axes)
    fresh = SweepRecord(grid=axes, trials=entries)
    asked = {"paths": [one.path for one in axes], "halving": halving}
    if halving:
        asked["grid"] = {one.path: list(one.values) for one in axes}
    request = Request(work="sweep", settings=asked, of={})
    path = folder / SweepRecord.FILE
    before = recorded(folder) if path.exists() else None
    if before is not None:
        request.check(before.request or _no_request(before), folder)
        _same_settings(before, fresh, folder)
    with begin_record(path, request, fresh, older=_no_request) as record:
        book = SweepBook(folder, record)
        if before is not None:
            kept = {one.name: one for one in recorded(folder).trials} | dict(copied)
            book.add(grid=axes, trials=tuple(_again(folder, kept.get(one.name, one)) for one in entries))
        yield book


def _no_request(record: SweepRecord) -> RequestEntry:
    del record
    return RequestEntry(work="", of={}, settings={})


def _same_settings(before: SweepRecord, now: SweepRecord, folder: Path) -> None:
    asked = {one.name: one.settings for one in now.trials}
    for one in before.trials:
        if one.name not in asked:
            raise InputError(
                f"{folder} holds a sweep with the trial {one.name}, which this grid lacks. Values may be added to a "
                "sweep, not taken away: choose another --out."
            )
        refuse(
            differences(one.settings, asked[one.name]),
            f"{folder} holds a sweep whose trial {one.name} has other settings",
            "Ask the same again, or choose another --out; what is there stays as it is.",
        )


def _again(folder: Path, trial: TrialEntry) -> TrialEntry:
    """A trial when its sweep is asked for again: what has ended stays as long as its run is there."""
    there = inside(folder, trial.name).is_dir()
    if there and trial.state in ENDED:
        return trial
    waiting = replace(trial, state=WAITING, starts=0, why="")
    return waiting if there else replace(waiting, marks=(), test=None)
