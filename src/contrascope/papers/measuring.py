"""Measurements of runs and of images alone, each kept in a file when it is done, so that a stop loses one at most."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from contrascope.machine.device import default_device, find_device
from contrascope.papers.collect import measured
from contrascope.papers.measures.find import ALONE, MEASURES
from contrascope.papers.measures.measured_run import MeasuredRun, MeasureFound
from contrascope.papers.table import Cell, Sources
from contrascope.precision import single_precision
from contrascope.progress import Say
from contrascope.records.inside import inside
from contrascope.records.sweeps import MeasuredRecord, MeasureEntry
from contrascope.records.typed import write_record


@single_precision()
def measure(cell: Cell, folder: Path, sources: Sources, *, device: str | None, say: Say) -> None:
    """Whatever of a cell is not measured yet; what cannot be measured is said, and the others are."""
    done = measured(folder)
    subject: MeasuredRun | None = None
    for name in cell.measures:
        make, protocol = _measure(name, sources)
        if name in done and done[name].protocol == protocol:
            continue
        say(f"{cell.name}: measuring {name}")
        if subject is None and cell.settings is not None:
            subject = MeasuredRun(folder, sources, device=_device(device), say=say)
        start = time.perf_counter()
        try:
            found = make(subject)
        except ValueError as error:  # an InputError, or a score that the labels do not allow
            say(f"{cell.name}: {name} cannot be measured: {error}")
            continue
        seconds = round(time.perf_counter() - start, 1)
        done[name] = MeasureEntry(
            protocol=protocol, values=found.values, curves=found.curves, seconds=seconds
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_record(inside(folder, MeasuredRecord.FILE), MeasuredRecord(measures=done))


def lacking(cell: Cell, folder: Path, sources: Sources) -> list[str]:
    """Measurements of a cell that its folder has not."""
    done = measured(folder)
    return [
        name
        for name in cell.measures
        if name not in done or done[name].protocol != _measure(name, sources)[1]
    ]


def _measure(name: str, sources: Sources) -> tuple[Callable[[MeasuredRun | None], MeasureFound], str]:
    """A measurement by name, and the hash of what decides its numbers."""
    if name in ALONE:
        alone = ALONE[name]
        return (lambda _: alone.make(sources)), alone.hash(name, dry=sources.dry)

    def of_run(subject: MeasuredRun | None) -> MeasureFound:
        assert subject is not None, f"{name} is measured of a run"
        return MEASURES[name].make(subject)

    return of_run, MEASURES[name].hash(name)


def _device(name: str | None) -> torch.device:
    return find_device(name) or default_device()
