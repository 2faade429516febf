"""What is set before torch is imported, and what stays because a user set it."""

import os
import subprocess
import sys

import pytest

from contrascope.machine import openmp
from contrascope.machine.openmp import THREADS, settle, threads_are_asked_for


@pytest.mark.parametrize(("cores", "threads"), [(0.5, "1"), (1.6, "1"), (8.0, None)])
def test_a_quota_below_the_cores_sets_the_threads(cores, threads, monkeypatch):
    monkeypatch.setattr(openmp, "usable_cores", lambda: cores)
    monkeypatch.setattr(openmp, "bound_cores", lambda: 8)
    given = {}
    settle(given)
    assert given.get(THREADS) == threads
    given = {THREADS: "5"}
    settle(given)
    assert given[THREADS] == "5"


def test_what_the_quota_has_set_is_no_wish_of_the_user(monkeypatch):
    monkeypatch.setattr(openmp, "usable_cores", lambda: 0.5)
    monkeypatch.setattr(openmp, "_SETTLED", set())
    monkeypatch.setenv(THREADS, "2")
    assert threads_are_asked_for()
    monkeypatch.delenv(THREADS)
    assert not threads_are_asked_for()
    monkeypatch.setattr(sys, "modules", {key: value for key, value in sys.modules.items() if key != "torch"})
    settle()
    assert os.environ[THREADS] == "1"
    assert not threads_are_asked_for()


def test_the_command_line_settles_before_torch_is_there():
    code = (
        "import os, sys\n"
        "from contrascope.machine import openmp\n"
        "openmp.usable_cores = lambda: 0.5\n"
        "from contrascope.cli import main\n"
        "assert 'torch' not in sys.modules\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "import torch; print('threads', torch.get_num_threads())"
    )
    environment = {key: value for key, value in os.environ.items() if key != THREADS}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "threads 1"
