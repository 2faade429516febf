"""A tiny training and a command in a process of its own, for the tests of the commands."""

import os
import subprocess
import sys
import time

from contrascope import records

TINY = [
    *("--encoder.width", "4", "--method.projector.hidden", "8", "--method.projector.out", "8"),
    *("--training.batch-size", "64", "--training.epochs", "6", "--training.checkpoint-every", "3"),
    *("--training.log-every", "1", "--data.labels", "none"),
]


def command(*words, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "contrascope.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def newest(run):
    found = records.checkpoint_folders(run)
    return found[-1][0] if found else 0


def wait_for(run, step, process):
    while newest(run) < step and process.poll() is None:
        time.sleep(0.005)
