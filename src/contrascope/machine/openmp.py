"""Threads of OpenMP, which torch takes from its environment: no more than a container's quota can run."""

import os
import sys
from collections.abc import MutableMapping

from contrascope.machine.cores import bound_cores, usable_cores, whole_threads

THREADS = "OMP_NUM_THREADS"
"""Read once, as torch is imported."""
_SETTLED: set[str] = set()
"""What this process has set itself."""


def settle(environment: MutableMapping[str, str] | None = None) -> None:
    """Takes as many threads as the quota of this container can run, where the user has not said how many.

    Torch takes one for each core that it sees. Has effect before torch is imported, for this process and those that it
    starts.

    >>> given = {"OMP_NUM_THREADS": "3"}
    >>> settle(given)
    >>> given
    {'OMP_NUM_THREADS': '3'}
    """
    given = os.environ if environment is None else environment
    if environment is None and "torch" in sys.modules:
        return
    cores = usable_cores()
    if THREADS not in given and cores < bound_cores():
        given[THREADS] = str(whole_threads(cores))
        if environment is None:
            _SETTLED.add(THREADS)


def threads_are_asked_for() -> bool:
    """Whether the user has said how many threads OpenMP may take."""
    return THREADS in os.environ and THREADS not in _SETTLED
