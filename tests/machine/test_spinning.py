"""What is set before torch is imported, and what stays because a user set it."""

import os
import subprocess
import sys

import pytest

from contrascope.machine import spinning
from contrascope.machine.spinning import POLICY, SPIN, THREADS, TURNS, settle


def test_waiting_is_short_unless_the_user_says_otherwise():
    given = {}
    settle(given)
    assert given[SPIN] == TURNS
    for word in (SPIN, POLICY):
        said = {word: "user"}
        settle(said)
        assert said[word] == "user"
        assert SPIN not in said or word == SPIN


@pytest.mark.parametrize(("cores", "threads"), [(0.5, "1"), (1.6, "1"), (8.0, None)])
def test_a_quota_below_the_cores_sets_the_threads(cores, threads, monkeypatch):
    monkeypatch.setattr(spinning, "usable_cores", lambda: cores)
    monkeypatch.setattr(spinning, "bound_cores", lambda: 8)
    given = {}
    settle(given)
    assert given.get(THREADS) == threads
    given = {THREADS: "5"}
    settle(given)
    assert given[THREADS] == "5"


def test_the_command_line_settles_before_torch_is_there():
    code = (
        "import os, sys; from contrascope.cli import main; assert 'torch' not in sys.modules\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        f"print(os.environ['{SPIN}'])"
    )
    environment = {key: value for key, value in os.environ.items() if key not in (SPIN, POLICY)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == TURNS


def test_once_torch_is_there_nothing_is_set(monkeypatch):
    monkeypatch.delenv(SPIN, raising=False)
    monkeypatch.delenv(POLICY, raising=False)
    monkeypatch.setitem(sys.modules, "torch", sys)
    settle()
    assert SPIN not in os.environ
