"""So many workers at a time: started in order, started again where they are killed, and asked to save on a stop."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contrascope.errors import InputError
from contrascope.records.inside import inside, read_bytes, removed
from contrascope.records.sweeps import LOST, OutcomeRecord
from contrascope.records.typed import read_record
from contrascope.sweeps.engine import LOG, SweepEngine, TrialJob, TrialTask

GRACE = 120.0
"""Seconds in which workers may save when the sweep is stopped."""


@dataclass(frozen=True, kw_only=True)
class TaskEnd:
    """What came of a task, after so many starts."""

    task: TrialTask
    outcome: OutcomeRecord


Started = Callable[[TrialTask, int], None]
"""Told of each start of a task, and its number."""
Ended = Callable[[TaskEnd], None]
"""Told of each end."""


def run_tasks(
    tasks: Sequence[TrialTask],
    engine: SweepEngine,
    *,
    jobs: int,
    restarts: int,
    started: Started,
    ended: Ended,
) -> None:
    """Runs all tasks, `jobs` at a time; `started` hears of each start and its number, `ended` of each end.

    A worker that ends without an outcome was killed or broke: it is started again at once and goes on from its newest
    checkpoint, at most `restarts` times. Whatever ends this call asks the workers to save and waits for them.
    """
    waiting, running = deque(tasks), list[tuple[TrialJob, TrialTask]]()
    starts = dict.fromkeys((task.name for task in tasks), 0)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.popleft()
                starts[task.name] += 1
                started(task, starts[task.name])
                removed(outcome_file(task))
                running.append((engine.start(task), task))
            time.sleep(engine.every)
            for job, task in list(running):
                code = job.poll()
                if code is None:
                    continue
                running.remove((job, task))
                outcome = outcome_of(task) if code == 0 else None
                if outcome is None and starts[task.name] <= restarts:
                    waiting.appendleft(task)
                    continue
                ended(TaskEnd(task=task, outcome=outcome or lost(task, code, starts[task.name])))
    except BaseException:
        _stop([job for job, _ in running])
        raise


def outcome_of(task: TrialTask) -> OutcomeRecord | None:
    """What the worker of a task says; None where it says nothing that can be read."""
    try:
        found = read_record(OutcomeRecord, outcome_file(task))
    except InputError:
        return None
    return None if found.missing or found.wrong or not found.record.state else found.record


def outcome_file(task: TrialTask) -> Path:
    """Where the worker of a task says what came of it."""
    return inside(task.place, OutcomeRecord.FILE)


def lost(task: TrialTask, code: int, starts: int) -> OutcomeRecord:
    """The outcome of a trial whose worker ended so often without one."""
    last = _last_line(task)
    said = f", and said last: {last}" if last else ""
    return OutcomeRecord(
        state=LOST, why=f"its worker ended with code {code} after {starts} starts{said} ({task.place / LOG})"
    )


def _last_line(task: TrialTask) -> str:
    try:
        lines = read_bytes(inside(task.place, LOG)).decode("utf-8", "replace").splitlines()
    except (InputError, OSError):
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def _stop(jobs: Sequence[TrialJob]) -> None:
    """Asks all to save, and ends at once those that take too long, or all on a second Ctrl-C."""
    left = [job for job in jobs if job.poll() is None]
    for job in left:
        job.stop()
    end = time.monotonic() + GRACE
    try:
        while left and time.monotonic() < end:
            time.sleep(0.1)
            left = [job for job in left if job.poll() is None]
    finally:
        for job in left:
            job.kill()
