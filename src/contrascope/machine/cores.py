"""How many cores this process may use: those it is bound to, and the quota of its container."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

MOUNT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux shows control groups, and to which of them this process belongs."""


def usable_cores(*, mount: Path = MOUNT, own: Path = OWN) -> float:
    """Cores that this process may keep busy at once; less than one where a container has a part of a core.

    >>> 0 < usable_cores() <= (os.cpu_count() or 1)
    True
    """
    return min(float(bound_cores()), quota(mount=mount, own=own))


def bound_cores() -> int:
    """Cores that the process is bound to."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def whole_threads(cores: float) -> int:
    """Threads that this many cores can run at once, at least one.

    >>> whole_threads(0.5), whole_threads(1.5), whole_threads(4.0)
    (1, 1, 4)
    """
    return max(1, math.floor(cores + 0.01))


def quota(*, mount: Path = MOUNT, own: Path = OWN) -> float:
    """Cores that the control groups of this process allow, the least of all levels; infinite where there is none."""
    limits = (_limit(level) for level in _levels(mount, own))
    return min((limit for limit in limits if limit is not None), default=math.inf)


def throttled_seconds(*, mount: Path = MOUNT, own: Path = OWN) -> float:
    """Seconds for which the quota has stopped this process's control group so far; 0 where nothing says so."""
    return max((_stopped(level) for level in _levels(mount, own)), default=0.0)


def _levels(mount: Path, own: Path) -> Iterator[Path]:
    """The folders of the process's group and of all above it, in the one tree of groups and in the older ones.

    In a container, which sees its own group as the root, the roots alone are there.
    """
    for tree, older in ((mount, False), (mount / "cpu", True), (mount / "cpu,cpuacct", True)):
        parts = [part for part in _place(own, older=older).split("/") if part not in ("", "..")]
        yield from (tree.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))


def _place(own: Path, *, older: bool) -> str:
    """The path of this process's group: in the one tree of control groups, or in the older one of processors."""
    for line in _text(own).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if (older and "cpu" in controllers.split(",")) or (not older and number == "0" and not controllers):
            return place
    return "/"


def _limit(level: Path) -> float | None:
    """Cores that one level allows, as either kind of tree writes it."""
    most, _, period = _text(level / "cpu.max").partition(" ")
    if most:
        return _ratio(most, period)
    return _ratio(_text(level / "cpu.cfs_quota_us"), _text(level / "cpu.cfs_period_us"))


def _stopped(level: Path) -> float:
    words = dict(line.split(maxsplit=1) for line in _text(level / "cpu.stat").splitlines() if " " in line)
    microseconds, nanoseconds = (
        _number(words.get(name, "")) for name in ("throttled_usec", "throttled_time")
    )
    return max((microseconds or 0.0) / 1e6, (nanoseconds or 0.0) / 1e9)


def _ratio(most: str, period: str) -> float | None:
    """Cores; None for no limit ("max", or -1)."""
    top, bottom = _number(most), _number(period)
    return top / bottom if top and bottom and top > 0 and bottom > 0 else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
