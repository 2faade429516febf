"""Trials as jobs of Slurm, through submitit: a job a trial, on a disk that all machines share."""

import importlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from contrascope.errors import InputError
from contrascope.extras import missing_extra
from contrascope.records.inside import inside
from contrascope.sweeps.engine import WORK, TrialJob, TrialTask
from contrascope.sweeps.worker import work

PLAIN = ("timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "stderr_to_stdout")
"""Parameters that every cluster of submitit knows; the others are Slurm's own."""
KILLED = -1
"""Exit code of a job that left no result."""


def read_parameters(words: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Parameters of `--slurm KEY=VALUE`, as submitit names them.

    >>> read_parameters(["partition=gpu", "timeout_min=90", "gpus_per_node=1"])
    {'slurm_partition': 'gpu', 'timeout_min': 90, 'gpus_per_node': 1}
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key or not value:
            raise InputError(
                f"--slurm {word!r}; expected KEY=VALUE, such as partition=gpu or timeout_min=120."
            )
        named = key if key in PLAIN or key.startswith("slurm_") else f"slurm_{key}"
        found[named] = int(value) if value.isdecimal() else value
    return found


class SlurmEngine:
    """Jobs of a cluster: Slurm's, or submitit's own processes on this machine, which tests use."""

    every = 2.0

    def __init__(self, folder: Path, parameters: Mapping[str, Any], *, cluster: str = "slurm") -> None:
        """`folder` is the sweep's; `parameters` are those of `read_parameters`: without them one core and an hour."""
        submitit = _submitit()
        self._parameters = {"name": "sweep", "timeout_min": 60, "cpus_per_task": 1, **parameters}
        # new each time: submitit unpickles results, and nobody else's may lie there
        place = inside(folder, WORK, f"{cluster}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        try:
            self._executor = submitit.AutoExecutor(folder=place, cluster=cluster)
            self._executor.update_parameters(**self._parameters)
        except (AssertionError, NameError, RuntimeError, TypeError, ValueError) as error:
            said = " ".join(str(error).split())[:1000]
            raise InputError(f"submitit refuses: {said} Correct --slurm, or use --engine local.") from None

    @property
    def threads(self) -> int:
        """Cores of a job."""
        return int(self._parameters["cpus_per_task"])

    def start(self, task: TrialTask) -> TrialJob:
        """Submit the task."""
        task.place.mkdir(parents=True, exist_ok=True)
        job = self._executor.submit(
            work, task.sweep.resolve(), task.name, threads=task.threads, until=task.until, device=task.device
        )
        return SlurmJob(job=job)


@dataclass(frozen=True, kw_only=True)
class SlurmJob:
    """A job that was submitted."""

    job: Any

    def poll(self) -> int | None:
        if not self.job.done():
            return None
        try:
            return int(self.job.result())
        except Exception:  # submitit's own words for a job that was killed or broke; they stand in its log
            return KILLED

    def stop(self) -> None:
        self.job.cancel(check=False)

    def kill(self) -> None:
        self.job.cancel(check=False)


def _submitit() -> ModuleType:
    try:
        return importlib.import_module("submitit")
    except ModuleNotFoundError as error:
        if error.name != "submitit":
            raise
        raise missing_extra("submitit", "the engine slurm") from error
