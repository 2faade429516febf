"""How many cores this process may use: those it is bound to, and the quota of its container."""

import math
import os
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
    found = [
        limit
        for folder, read in ((mount, _unified), (mount / "cpu", _older), (mount / "cpu,cpuacct", _older))
        for level in _levels(folder, _place(own, older=read is _older))
        if (limit := read(level)) is not None
    ]
    return min(found, default=math.inf)


def throttled_seconds(*, mount: Path = MOUNT, own: Path = OWN) -> float:
    """Seconds for which the quota has stopped this process's control group so far; 0 where nothing says so."""
    most = 0.0
    for folder, older in ((mount, False), (mount / "cpu", True), (mount / "cpu,cpuacct", True)):
        for level in _levels(folder, _place(own, older=older)):
            words = dict(
                line.split(maxsplit=1) for line in _text(level / "cpu.stat").splitlines() if " " in line
            )
            microseconds = _number(words.get("throttled_usec", ""))
            nanoseconds = _number(words.get("throttled_time", ""))
            most = max(most, (microseconds or 0.0) / 1e6, (nanoseconds or 0.0) / 1e9)
    return most


def _place(own: Path, *, older: bool) -> str:
    """The path of this process's group: in the one tree of control groups, or in the older one of processors."""
    for line in _text(own).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if (older and "cpu" in controllers.split(",")) or (not older and number == "0" and not controllers):
            return place
    return "/"


def _levels(mount: Path, place: str) -> list[Path]:
    """The group's folder and all above it; in a container, which sees its own group as the root, the root alone."""
    parts = [part for part in place.split("/") if part not in ("", "..")]
    return [mount.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _unified(level: Path) -> float | None:
    most, _, period = _text(level / "cpu.max").partition(" ")
    return _ratio(most, period)


def _older(level: Path) -> float | None:
    return _ratio(_text(level / "cpu.cfs_quota_us"), _text(level / "cpu.cfs_period_us"))


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
