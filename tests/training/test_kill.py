"""Runs that are killed with kill -9 and go on: the same bits, whatever state the method has."""

import os
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from contrascope import records

EPOCHS, EVERY = 9, 2
KILLED_AFTER = (3, 14, 31)
"""Steps that are in the log when the process is killed: within the first epoch, in the middle, near the end."""
SETTINGS = {
    "dino": ["--method.ema-decay", "0.9", "--method.temperature-warmup", "0.5", "--method.freeze", "0.3"],
    "bigan": ["--method.stochastic", "--method.unary", "--method.discriminator-steps", "2"],
    "swav": ["--method.queue-size", "400", "--method.queue-from", "0.2", "--method.freeze", "0.3"],
}
"""What makes every buffer change before, between and after the kills."""


def start(method, out, *, resume):
    words = [out] if resume else [f"digits-{method}", *SETTINGS[method], "--out", out]
    numbers = {"epochs": EPOCHS, "checkpoint-every": EVERY, "log-every": 1, "threads": 1}
    told = [word for name, value in numbers.items() for word in (f"--training.{name}", str(value))]
    more = ["--resume"] if resume else [*told, "--monitor.times", "0"]
    with out.with_suffix(".err").open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "contrascope", "train", *map(str, words), *more],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )


def finished(process, out):
    assert process.wait(timeout=300) == 0, out.with_suffix(".err").read_text()


def steps_of(out):
    path = out / records.METRICS
    rows = records.read_metrics(path) if path.exists() else []
    return [row for row in rows if row["kind"] == "step"]


def killed(process, out, *, after):
    """Kills it as soon as its log has this step."""
    end = time.monotonic() + 300
    while not any(row["step"] >= after for row in steps_of(out)):
        assert process.poll() is None, out.with_suffix(".err").read_text()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


def state_of(out):
    newest = max((path for path in (out / "checkpoints").iterdir()), key=lambda path: path.name)
    tensors = {path.name: load_file(path) for path in newest.glob("*.safetensors")}
    assert tensors
    return newest.name, tensors


def numbers(rows):
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("method", SETTINGS)
def test_a_run_that_is_killed_three_times_has_the_bits_of_one_that_was_not(tmp_path, method):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    finished(start(method, whole, resume=False), whole)
    for number, after in enumerate(KILLED_AFTER):
        killed(start(method, torn, resume=number > 0), torn, after=after)
    finished(start(method, torn, resume=True), torn)
    assert numbers(steps_of(torn)) == numbers(steps_of(whole))
    (name, ours), (other, theirs) = state_of(torn), state_of(whole)
    assert name == other
    for file, tensors in theirs.items():
        assert tensors.keys() == ours[file].keys()
        assert all(bool((tensors[key] == ours[file][key]).all()) for key in tensors), file
