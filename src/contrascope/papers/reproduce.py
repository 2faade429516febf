"""A table from its first run to its record: all cells of one seed before the next, each trained, then measured."""

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from contrascope import records
from contrascope.errors import InputError
from contrascope.machine.arithmetic import multiplies_bf16
from contrascope.machine.device import default_device
from contrascope.papers.collect import ALONE, AXIS, alone_folder, collected, keep, kept_table, sweep_of
from contrascope.papers.limited import TimeIsUpError, limited
from contrascope.papers.measuring import lacking, measure
from contrascope.papers.table import Cell, PaperTable, Scale, Sources, chosen
from contrascope.progress import Say, unheard
from contrascope.records.files import LOCK
from contrascope.records.inside import inside, removed
from contrascope.records.sweeps import FINISHED, SweepRecord, TableRecord, TrialEntry
from contrascope.runs.settings import RunSettings
from contrascope.settings import from_json, to_json
from contrascope.sweeps.engine import WORK, SweepEngine
from contrascope.sweeps.grid import SEED, Axis, Grid, Trial, name_of
from contrascope.sweeps.ray import RayEngine
from contrascope.sweeps.run import sweep

Precision = Literal["float32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class TableRequest:
    """What is asked for of a table."""

    table: PaperTable
    """Which."""
    scale: Scale
    """At which scale."""
    seeds: int
    """Seeds from 0 on."""
    sources: Sources
    """Where the images lie."""
    only: tuple[str, ...] = ()
    """Words of names of cells; none: all."""
    precision: Precision | None = None
    """Arithmetic of all runs; None: that of the scale."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of the table at this scale."""
        made = self.table.cells(self.scale, self.sources)
        return made if self.precision is None else tuple(_in_precision(one, self.precision) for one in made)


def precision_of(out: Path, device: torch.device | None) -> Precision | None:
    """Arithmetic in which a table goes on as it was begun; for a new one float32 where the device has no fast bf16.

    None: that of the scale.
    """
    if (out / TableRecord.FILE).exists():
        for tree in kept_table(out).settings.values():
            return from_json(RunSettings, tree).training.precision
    return None if multiplies_bf16((device or default_device()).type) else "float32"


def _in_precision(cell: Cell, precision: Precision) -> Cell:
    if cell.settings is None:
        return cell
    training = replace(cell.settings.training, precision=precision)
    return replace(cell, settings=replace(cell.settings, training=training))


def reproduce(
    asked: TableRequest,
    out: Path,
    *,
    engine: SweepEngine | RayEngine,
    jobs: int = 1,
    minutes: float | None = None,
    device: str | None = None,
    say: Say = unheard,
) -> TableRecord:
    """Trains and measures what is missing in `out`, a folder of this table, and keeps and returns its record.

    The folder is that of a sweep: what was begun before is always gone on with, at another `only` too. A run that a
    table beside this one has finished with the same settings is copied. `minutes`: then it stops, saved, and the same
    call goes on. Raises `InputError` where the folder holds the table at another scale or of other images.
    """
    cells = asked.cells
    wanted = chosen(cells, asked.only)
    _check_place(asked, out)
    if minutes is not None:
        engine = limited(engine, time.monotonic() + 60 * minutes)
    work = _TableWork(asked, out, device=device, say=say)
    try:
        if any(one.settings is not None for one in wanted):
            grid = grid_of_cells(wanted, asked.seeds, sweep_of(out))
            copied = borrow(grid, out, usable=work.usable, say=say)
            work.measure_finished()
            sweep(
                grid,
                out,
                engine=engine,
                jobs=jobs,
                device=device,
                say=say,
                ended=work.measure_trial,
                copied=copied,
            )
            for one in copied.values():
                work.measure_trial(one)
        for one in wanted:
            if one.settings is None:
                work.measure_alone(one)
    except TimeIsUpError:
        say(f"{minutes:g} minutes are over; what is saved stays, and the same call goes on")
    finally:
        if out.is_dir():
            keep(collected(asked.table.name, asked.scale, out, cells, dry=asked.sources.dry), out)
    return kept_table(out)


class _TableWork:
    """Measurements of a table at work."""

    def __init__(self, asked: TableRequest, out: Path, *, device: str | None, say: Say) -> None:
        self._out, self._device, self._say, self._sources = out, device, say, asked.sources
        self._asked = asked
        self._cells = {one.name: one for one in asked.cells}

    def measure_trial(self, trial: TrialEntry) -> None:
        """Measures a trial that is trained to its end, and keeps the table's record."""
        cell = self._cells.get(trial.values.get(AXIS, ""))
        if trial.state == FINISHED and cell is not None:
            self._measure(cell, inside(self._out, trial.name))

    def measure_finished(self) -> None:
        """Measures what earlier calls trained and did not come to measure."""
        record = sweep_of(self._out)
        for trial in record.trials if record is not None else ():
            if inside(self._out, trial.name).is_dir():
                self.measure_trial(trial)

    def usable(self, cell: str, run: Path) -> bool:
        """Whether a finished run of other tables serves a cell: it has its weights, or all that is to be measured."""
        if records.checkpoint_folders(run):
            return True
        return cell in self._cells and not lacking(self._cells[cell], run, self._sources)

    def measure_alone(self, cell: Cell) -> None:
        """Measures what needs no run."""
        self._measure(cell, alone_folder(self._out, cell))

    def _measure(self, cell: Cell, folder: Path) -> None:
        if lacking(cell, folder, self._sources):
            measure(cell, folder, self._sources, device=self._device, say=self._say)
            asked = self._asked
            keep(
                collected(asked.table.name, asked.scale, self._out, asked.cells, dry=self._sources.dry),
                self._out,
            )


def _check_place(asked: TableRequest, out: Path) -> None:
    """Refuses a folder that holds this table otherwise, before anything is written."""
    with contextlib.suppress(FileNotFoundError):
        known = {path.name for path in out.iterdir()} - {WORK}  # an engine may be there before
        if known and not known & {SweepRecord.FILE, TableRecord.FILE, ALONE}:
            raise InputError(f"{out} holds {min(known)} and no table. Choose another --out.")
        if TableRecord.FILE in known:
            there = kept_table(out)
            mine = (asked.table.name, asked.scale, asked.sources.dry)
            if (there.table, there.scale, there.dry) != mine:
                found = f"{there.table} at scale {there.scale}{', a dry run' if there.dry else ''}"
                raise InputError(f"{out} holds {found}. Choose another --out.")


def grid_of_cells(cells: Sequence[Cell], seeds: int, before: SweepRecord | None) -> Grid:
    """Every cell with every seed, seeds outermost, and whatever trials of an earlier call there are."""
    if seeds < 1:
        raise InputError(f"{seeds} seeds; expected 1 or more.")
    named = {one.name: one.settings for one in cells if one.settings is not None}
    trials = {
        name_of(str(seed), {AXIS: name}): _trial(name, seed, settings)
        for seed in range(seeds)
        for name, settings in named.items()
    }
    for one in before.trials if before is not None else ():
        if one.name not in trials:
            settings = from_json(RunSettings, one.settings, path=f"{one.name}.settings")
            trials[one.name] = Trial(name=one.name, seed=one.seed, values=one.values, settings=settings)
    ordered = sorted(trials.values(), key=lambda one: int(one.seed))
    if len({one.name for one in ordered}) < len(named) * seeds:
        raise AssertionError("two cells of one name")
    axes = (
        Axis(path=SEED, values=tuple(dict.fromkeys(one.seed for one in ordered))),
        Axis(path=AXIS, values=tuple(dict.fromkeys(one.values[AXIS] for one in ordered))),
    )
    return Grid(axes=axes, trials=tuple(ordered))


def _trial(cell: str, seed: int, settings: RunSettings) -> Trial:
    with_seed = replace(settings, training=replace(settings.training, seed=seed))
    values = {AXIS: cell}
    return Trial(name=name_of(str(seed), values), seed=str(seed), values=values, settings=with_seed)


def borrow(grid: Grid, out: Path, *, usable: Callable[[str, Path], bool], say: Say) -> dict[str, TrialEntry]:
    """Copies finished runs with the same settings from tables beside this one, with what is measured of them.

    Gives the trials that were, by name, as they are to stand in the sweep of this table.
    A run is taken where it is `usable` for the cell: one whose weights were left out may lack what is to be measured.
    """
    wanted = [one for one in grid.trials if not inside(out, one.name).exists()]
    if not wanted or not out.parent.is_dir():
        return {}
    known = [(path, sweep_of(path)) for path in sorted(out.parent.iterdir()) if path.is_dir() and path != out]
    theirs = [
        (inside(path, trial.name), trial)
        for path, record in known
        if record is not None
        for trial in record.trials
        if trial.state == FINISHED and AXIS in trial.values
    ]
    copied: dict[str, TrialEntry] = {}
    for one in wanted:
        settings = to_json(one.settings)
        same = [(path, found) for path, found in theirs if found.settings == settings and path.is_dir()]
        for run, found in same:
            if usable(one.values[AXIS], run):
                say(f"{one.name}: copied from {run.parent.name}")
                _copy(run, inside(out, one.name))
                copied[one.name] = replace(found, name=one.name, seed=one.seed, values=one.values)
                break
    return copied


def _copy(run: Path, to: Path) -> None:
    """A copy of a run under another name; it appears when it is whole."""
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f".{to.name}.partial")
    removed(partial)
    shutil.copytree(run, partial, symlinks=True, ignore=shutil.ignore_patterns(LOCK))
    partial.rename(to)
