"""Where the trials of a sweep run: what every engine does, and the one of this machine."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from contrascope.machine.openmp import THREADS
from contrascope.records.inside import inside, opened

WORK, LOG = "work", "log.txt"
"""Folder in that of a sweep with a folder a trial for what its workers say, and their log in there."""
WORKER = "contrascope.sweeps.worker"
"""The module that runs a trial in a process of its own."""


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """A trial to be run by a worker, to its end or to a rung."""

    sweep: Path
    """Folder of the sweep, whose record has the trial's settings."""
    name: str
    """The trial."""
    threads: int
    """Threads of its process."""
    until: int | None = None
    """Epochs after which it pauses; None: to its end."""
    device: str | None = None
    """Where networks run; None: the first GPU, or the CPU."""

    @property
    def place(self) -> Path:
        """Folder for what the worker says."""
        return inside(self.sweep, WORK, self.name)

    @property
    def words(self) -> list[str]:
        """The worker's command line."""
        more = [] if self.until is None else ["--until", str(self.until)]
        more += [] if self.device is None else ["--device", self.device]
        return [str(self.sweep), self.name, "--threads", str(self.threads), *more]


@runtime_checkable
class TrialJob(Protocol):
    """A worker that was started."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs; what is not 0 is no outcome."""
        ...

    def stop(self) -> None:
        """Ask it to save and to end."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@runtime_checkable
class SweepEngine(Protocol):
    """Starts workers; another engine needs no more than these three."""

    @property
    def every(self) -> float:
        """Seconds between two looks at its jobs."""
        ...

    @property
    def threads(self) -> int:
        """Threads of a trial."""
        ...

    def start(self, task: TrialTask) -> TrialJob:
        """Start a worker of `contrascope.sweeps.worker` for the task."""
        ...


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Processes of this machine, each with its share of the cores."""

    threads: int
    every: float = 0.2

    def start(self, task: TrialTask) -> TrialJob:
        """A process in a session of its own, so that Ctrl-C reaches the sweep alone; it ends when the sweep dies."""
        task.place.mkdir(parents=True, exist_ok=True)
        log = opened(inside(task.place, LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER, *task.words, "--tied"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, THREADS: str(task.threads)},
                start_new_session=True,
            )
        finally:
            os.close(log)
        return LocalJob(process=process)


@dataclass(frozen=True, kw_only=True)
class LocalJob:
    """A process of this machine."""

    process: "subprocess.Popen[bytes]"

    def poll(self) -> int | None:
        code = self.process.poll()
        if code is not None and self.process.stdin is not None:
            self.process.stdin.close()
        return code

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.poll()
