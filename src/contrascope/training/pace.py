"""Watches how fast a training goes, and says in one line where it has become slow, why, and what helps."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from contrascope.machine.cores import bound_cores, quota, throttled_seconds

WINDOW = 10.0
"""Seconds over which a rate is measured."""
SLOW, SHARE, HELD = 0.5, 0.6, 0.1
"""A rate below this share of the best one is slow; cores that give less than this share are crowded; a quota that
holds the process for more than this share of the time is the cause."""


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """What the clocks show."""

    seconds: float
    """Wall clock."""
    busy: float
    """Processor time of this process, in seconds."""
    held: float
    """Seconds for which a quota has stopped it."""
    load: float
    """Processes of the machine that run or wait for a core, over the last minute."""


def clocks() -> Clocks:
    """Now."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return Clocks(seconds=time.monotonic(), busy=time.process_time(), held=throttled_seconds(), load=load)


@dataclass
class Pace:
    """Images a second in windows of ten seconds; speaks in the second slow one, and again after it was fast."""

    threads: int
    """Threads that the training asks for."""
    read: Callable[[], Clocks] = clocks
    """Reads the clocks."""
    best: float = 0.0
    """Images a second of the fastest window."""
    slow: int = 0
    """Slow windows in a row."""
    mark: int = 0
    """Images at the begin of the window."""
    since: Clocks = field(init=False)
    """Clocks at the begin of the window."""

    def __post_init__(self) -> None:
        self.since = self.read()

    @contextmanager
    def rest(self) -> Iterator[None]:
        """What runs in this block, a probe or a checkpoint, is no training, and not counted."""
        start = self.read()
        yield
        end, since = self.read(), self.since
        self.since = Clocks(
            seconds=since.seconds + end.seconds - start.seconds,
            busy=since.busy + end.busy - start.busy,
            held=since.held + end.held - start.held,
            load=since.load,
        )

    def see(self, images: int) -> str:
        """So many images are trained on by now; returns what is wrong, mostly nothing."""
        now, before = self.read(), self.since
        seconds = now.seconds - before.seconds
        if seconds < WINDOW:
            return ""
        rate = (images - self.mark) / seconds
        share = (now.busy - before.busy) / (seconds * self.threads)
        held = (now.held - before.held) / seconds
        fallen = rate < SLOW * self.best
        self.best = max(self.best, rate)
        self.slow = self.slow + 1 if fallen or held > HELD or share < SHARE else 0
        self.mark, self.since = images, now
        return self._told(rate, share, held, now.load, fallen=fallen) if self.slow == 2 else ""

    def _told(self, rate: float, share: float, held: float, load: float, *, fallen: bool) -> str:
        first = f"the training goes at {rate:,.0f} images/s"
        first += f", after {self.best:,.0f}" if fallen else ""
        fewer = (
            "stop (Ctrl-C saves) and go on with --resume --training.threads 1" if self.threads > 1 else "wait"
        )
        if held > HELD:
            return (
                f"{first}: the quota of {quota():.1f} cores stops this process for {100 * held:.0f} % of the time. "
                f"A larger quota helps; else {fewer}."
            )
        if share < SHARE:
            return (
                f"{first}: this process gets {share * self.threads:.1f} of the {self.threads} cores that it asks for, "
                f"others keep them busy (load {load:.1f} on {bound_cores()}). End them, or {fewer}."
            )
        return f"{first}, though it gets its cores: a slower clock, memory or a disk holds it back."
