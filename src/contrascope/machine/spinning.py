"""Threads that wait for another one must not keep a core busy meanwhile: that core may be what the other waits for."""

import os
import sys
from collections.abc import MutableMapping

from contrascope.machine.cores import bound_cores, usable_cores, whole_threads

SPIN, POLICY, THREADS = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"
"""What OpenMP reads once, as torch is imported: turns of a waiting loop, whether to wait actively, threads."""
TURNS = "10000"
"""Turns of the waiting loop (some tens of microseconds) before a thread lets others run. OpenMP's own 300,000 are about
a millisecond at each of the thousands of waits of a step: benchmarks/crowd.py."""

_SETTLED: set[str] = set()
"""What this process has set itself."""


def settle(environment: MutableMapping[str, str] | None = None) -> None:
    """Shortens the waiting of OpenMP's threads, and takes no more of them than a container's quota can run.

    Has effect before torch is imported, for this process and those that it starts; what the user has set stays.

    >>> given = {"OMP_WAIT_POLICY": "active"}
    >>> settle(given)
    >>> given["OMP_WAIT_POLICY"], SPIN in given
    ('active', False)
    """
    given = os.environ if environment is None else environment
    if environment is None and "torch" in sys.modules:
        return
    if SPIN not in given and POLICY not in given:
        given[SPIN] = TURNS
    cores = usable_cores()
    if THREADS not in given and cores < bound_cores():
        given[THREADS] = str(whole_threads(cores))
        if environment is None:
            _SETTLED.add(THREADS)


def threads_are_asked_for() -> bool:
    """Whether the user has said how many threads OpenMP may take."""
    return THREADS in os.environ and THREADS not in _SETTLED
