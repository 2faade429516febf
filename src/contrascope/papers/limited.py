"""An engine that starts nothing more, and asks what runs to save, when its minutes are over."""

import time
from dataclasses import dataclass

from contrascope.sweeps.engine import SweepEngine, TrialJob, TrialTask


class TimeIsUpError(Exception):
    """The minutes of this call are over; everything is saved."""


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
        if time.monotonic() >= self.end:
            raise TimeIsUpError


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
