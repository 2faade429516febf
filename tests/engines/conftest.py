import signal
import sys
from pathlib import Path

import pytest

SECONDS = 900
"""Of a test that hangs: what Ray waits for in vain, it waits for for ever. Long, for a crowded machine is no fault."""

sys.path += [
    str(Path(__file__).parent),
    *(str(Path(__file__).parents[1] / room) for room in ("sweeps", "papers")),
]  # for the modules of cases


@pytest.fixture(autouse=True)
def _ends(request):
    """Ends a test that hangs, with its name."""

    def late(number, frame):
        raise TimeoutError(f"{request.node.name} took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
