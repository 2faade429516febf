"""Each hostile file is read rightly, left out by name, or refused in one sentence: in seconds and in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_arrays import ARRAYS
from hostile_pictures import BYTES, PLACES
from hostile_tables import TABLES

RIGHT = {
    **{name: right for name, (right, _) in BYTES.items()},
    **{name: right for name, (right, _) in PLACES.items()},
    **{name: right for name, (right, *_) in ARRAYS.items()},
    **{f"table: {name}": right for name, (right, _) in TABLES.items()},
}
WAYS = ("memory", "stream", "error")
SECONDS, MEMORY = 10, 2 * 2**30
"""Of the processor, in each case; bytes."""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux"
)


@pytest.fixture(scope="module")
def outcomes():
    """What came of every case, from one process: it must not end early, and writes a line a case."""
    script = Path(__file__).with_name("run_hostile.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {}
    for line in done.stdout.splitlines():
        found |= json.loads(line)
    return found


def test_there_are_more_than_150_kinds():
    assert len(RIGHT) > 150


@pytest.mark.parametrize("case", RIGHT)
def test_a_hostile_file_is_read_left_out_or_refused(case, outcomes):
    found, right = outcomes[case], RIGHT[case]
    memory, stream, error = (found[way] for way in WAYS)
    assert all("raised" not in found[way] for way in WAYS), found
    assert found["seconds"] < SECONDS
    assert found["peak"] < MEMORY
    assert set(memory) == set(stream)
    if "images" in memory:
        assert memory == stream
    if right in ("read", "aside"):
        assert memory["images"] > 0
        assert memory["bad"] == []
        assert error == memory
    elif right == "bad":
        assert memory["bad"] or "refused" in memory
        one_sentence(error["refused"])
        assert "on_bad_image='skip'" in error["refused"]
    else:
        one_sentence(memory["refused"])
        one_sentence(error["refused"])


def one_sentence(text: str) -> None:
    assert "\n" not in text
    assert len(text) < 900
    assert text.endswith(".")


@pytest.mark.parametrize("case", [name for name, (right, _) in BYTES.items() if right == "bad"])
def test_a_bad_picture_beside_a_good_one_is_left_out_with_its_reason(case, outcomes):
    assert outcomes[case]["memory"]["images"] == 1
    assert len(outcomes[case]["memory"]["bad"]) == 1


def test_no_program_was_started_no_address_asked_nothing_unpickled_and_no_secret_opened(outcomes):
    assert outcomes[""]["watched"] == []
    kinds = {event.split(" ", 1)[0] for event in outcomes[""]["alive"]}
    assert kinds >= {"open", "subprocess.Popen", "pickle.find_class"}
