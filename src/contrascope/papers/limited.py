"""An engine that starts nothing more, and asks what runs to save, when its minutes are over."""

import time
from dataclasses import dataclass

from contrascope.sweeps.engine import SweepEngine, TrialJob, TrialTask
from contrascope.sweeps.ray import RayEngine


class TimeIsUpError(Exception):
    """The minutes of this call are over; everything is saved."""


def limited(engine: SweepEngine | RayEngine, end: float) -> SweepEngine | RayEngine:
    """The same engine until `end`, in seconds of the monotonic clock; Ray's workers end there without saving."""
    if isinstance(engine, RayEngine):
        return engine.checked(lambda: _check(end))
    return LimitedEngine(engine=engine, end=end)


def _check(end: float) -> None:
    if time.monotonic() >= end:
        raise TimeIsUpError


@dataclass(frozen=True, kw_only=True)
class LimitedEngine:
    """Another engine until `end`, in seconds of the monotonic clock."""

    engine: SweepEngine
    end: float

    @property
    def every(self) -> float:
        return self.engine.every

    @property
    def threads(self) -> int:
        return self.engine.threads

    def start(self, task: TrialTask) -> TrialJob:
        self.check()
        return LimitedJob(job=self.engine.start(task), engine=self)

    def check(self) -> None:
        """Raises `TimeIsUpError` behind the end."""
        _check(self.end)


@dataclass(frozen=True, kw_only=True)
class LimitedJob:
    """A job of that engine; a finished one is heard even behind the end."""

    job: TrialJob
    engine: LimitedEngine

    def poll(self) -> int | None:
        code = self.job.poll()
        if code is None:
            self.engine.check()
        return code

    def stop(self) -> None:
        self.job.stop()

    def kill(self) -> None:
        self.job.kill()
