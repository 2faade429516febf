"""A sweep from its first trial to its table: rung by rung, in order, on an engine."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contrascope.errors import InputError
from contrascope.progress import Say, unheard
from contrascope.records.inside import inside, removed
from contrascope.records.sweeps import (
    DROPPED,
    ENDED,
    FINISHED,
    LOST,
    REFUSED,
    RUNNING,
    WAITING,
    MarkEntry,
    RungEntry,
    SweepRecord,
    TrialEntry,
)
from contrascope.sweeps.compared import unlike
from contrascope.sweeps.engine import WORK, SweepEngine, TrialTask
from contrascope.sweeps.grid import Grid, label
from contrascope.sweeps.halving import SAID, choose, common_epochs, mark_at, rungs
from contrascope.sweeps.kept import LOCK, NONE, SweepBook, begun, is_sweep
from contrascope.sweeps.pool import TaskEnd, run_tasks
from contrascope.sweeps.ray import RayEngine
from contrascope.training.track import check_trackers

RESTARTS = 3
"""How often a worker that was killed is started again."""


def _unheeded(trial: TrialEntry) -> None:
    """Nothing more is done with a trial."""


def sweep(
    grid: Grid,
    out: Path,
    *,
    engine: SweepEngine | RayEngine,
    jobs: int = 1,
    halving: bool = False,
    restarts: int = RESTARTS,
    device: str | None = None,
    say: Say = unheard,
    ended: Callable[[TrialEntry], None] = _unheeded,
    copied: Mapping[str, TrialEntry] = NONE,
) -> SweepRecord:
    """Runs every trial of the grid in a folder of its own below `out`, or goes on where the sweep there stopped.

    With `halving` the better half of the settings goes on at each rung. `ended` is handed each trial when it has ended
    or paused; with one job at a time nothing trains meanwhile. `copied` are trials by name whose finished runs the
    caller put into `out`. Raises `InputError` where another sweep is
    there, where somebody holds it, and where a trial is refused before any other has ended: the others would be too.
    """
    if jobs < 1 or restarts < 0:
        raise InputError(f"{jobs} jobs and {restarts} restarts; expected 1 or more, and 0 or more.")
    epochs = common_epochs([one.settings.training.epochs for one in grid.trials]) if halving else 0
    for one in grid.trials:
        check_trackers(one.settings.training.trackers)
        one.settings.method.check()
    count = len({label(one.values) for one in grid.trials})
    fresh = not is_sweep(out)
    try:
        with begun(out, grid, halving=halving, copied=copied) as book:
            work = _Work(book, engine, jobs=jobs, restarts=restarts, device=device, say=say, ended=ended)
            for epoch in rungs(epochs, count) if halving else ():
                if epoch not in [one.epoch for one in book.record.rungs]:
                    work.run_to(epoch)
                    work.leave_half(epoch)
            work.run_to(None)
            return book.record
    except InputError:
        if fresh:
            _take_back(out, [one.name for one in grid.trials])
        raise


def _take_back(out: Path, names: Sequence[str]) -> None:
    """Removes what a new sweep wrote that has no run."""
    if any((out / name).exists() for name in names):
        return
    for path in (*(out / WORK / name for name in names), out / SweepRecord.FILE, out / LOCK):
        removed(path)
    for folder in (out / WORK, out):
        with contextlib.suppress(OSError):
            folder.rmdir()


class _Work:
    """A sweep at work."""

    def __init__(
        self,
        book: SweepBook,
        engine: SweepEngine | RayEngine,
        *,
        jobs: int,
        restarts: int,
        device: str | None,
        say: Say,
        ended: Callable[[TrialEntry], None],
    ) -> None:
        self._book, self._engine, self._say, self._told = book, engine, say, ended
        self._jobs, self._restarts, self._device = jobs, restarts, device

    def run_to(self, epoch: int | None) -> None:
        """Every trial that goes on is run to this rung, or to its end."""
        due = [one for one in self._book.record.trials if one.state not in ENDED and not _at(one, epoch)]
        tasks = [
            TrialTask(
                sweep=self._book.folder,
                name=one.name,
                threads=self._engine.threads,
                until=epoch,
                device=self._device,
            )
            for one in due
        ]
        for task in tasks:  # a link in place of a run is refused before anything is begun
            inside(self._book.folder, task.name)
        try:
            options: dict[str, Any] = {"jobs": self._jobs, "restarts": self._restarts}
            options |= {"started": self._started, "ended": self._ended}
            if isinstance(self._engine, RayEngine):
                self._engine.run_all(tasks, **options)
            else:
                run_tasks(tasks, self._engine, **options)
        except BaseException:
            for one in self._book.record.trials:
                if one.state == RUNNING:
                    self._book.change(one.name, state=WAITING)
            raise

    def leave_half(self, epoch: int) -> None:
        """Keeps the better half of the settings that are at this rung."""
        alive: dict[str, list[TrialEntry]] = {}
        left = {label(one.values) for one in self._book.record.trials if one.state == DROPPED}
        for one in self._book.record.trials:
            if label(one.values) not in left:
                alive.setdefault(label(one.values), []).append(one)
        marks = {name: [mark_at(one, epoch) for one in found] for name, found in alive.items()}
        chosen = choose(marks, unlike=unlike(self._book.record))
        for name in chosen.dropped:
            for one in alive[name]:
                if one.state not in ENDED:
                    self._book.change(one.name, state=DROPPED)
        rung = RungEntry(epoch=epoch, by=chosen.by or "", kept=chosen.kept, dropped=chosen.dropped)
        self._book.add(rungs=(*self._book.record.rungs, rung))
        by = f"by {SAID[chosen.by]}" if chosen.by else "for nothing here can be compared"
        self._say(
            f"after {epoch} epochs {len(chosen.kept)} of {len(alive)} settings go on, {by}: "
            f"{'; '.join(chosen.kept)}"
        )

    def _started(self, task: TrialTask, number: int) -> None:
        self._book.change(task.name, state=RUNNING, starts=number)
        if number > 1:
            self._say(f"{task.name}: its worker was killed; start {number}, from its newest checkpoint")

    def _ended(self, end: TaskEnd) -> None:
        """Keeps what came of a trial; where the first one is refused, the sweep is."""
        found, before = end.outcome, self._book.trial(end.task.name)
        marks = (*before.marks, *((found.mark,) if found.mark else ()))
        trial = self._book.change(
            end.task.name, state=found.state, why=found.why, marks=marks, test=found.test or before.test
        )
        if found.state == REFUSED and not any(one.marks for one in self._book.record.trials):
            raise InputError(found.why)
        self._say(self._line(end))
        self._told(trial)

    def _line(self, end: TaskEnd) -> str:
        trials = self._book.record.trials
        done = sum(one.state in ENDED for one in trials)
        said = end.outcome.why or _marked(end.outcome.mark)
        return f"{end.task.name}: {end.outcome.state}{f', {said}' if said else ''} ({done} of {len(trials)})"


def _at(trial: TrialEntry, epoch: int | None) -> bool:
    return epoch is not None and any((mark.epoch or 0) >= epoch for mark in trial.marks)


def _marked(mark: MarkEntry | None) -> str:
    """What a mark says in a few words."""
    if mark is None:
        return ""
    if mark.knn_held_out is not None:
        return f"kNN {100 * mark.knn_held_out:.1f} % on held-out training images"
    return "" if mark.label_free is None else f"label-free score {mark.label_free:.2f}"


def failed(record: SweepRecord) -> Sequence[TrialEntry]:
    """Trials that could not be run to their end, though nothing in their training ended them."""
    return [one for one in record.trials if one.state in (REFUSED, LOST)]


def finished(record: SweepRecord, out: Path) -> list[Path]:
    """Folders of the runs that are trained to their end."""
    return [inside(out, one.name) for one in record.trials if one.state == FINISHED]
