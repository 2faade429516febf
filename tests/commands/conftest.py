import signal
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for command_cases


@pytest.fixture(autouse=True)
def _ctrl_c():
    """Ctrl-C as at a terminal, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A run of six epochs on digits without labels."""
    # imported here: what a conftest imports is loaded before shapes are checked
    import torch
    from command_cases import TINY

    from contrascope.cli import main

    run = tmp_path_factory.mktemp("runs") / "whole"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert main(["train", "digits-simclr", *TINY, "--out", str(run)]) == 0
    torch.set_num_threads(threads)
    return run
