"""Two processes of our loop train as one: several optimisers, groups of views, labels, and batches in parts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_processes
from safetensors.torch import load_file

import contrascope

SOURCE = Path(contrascope.__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, two_processes.__file__, str(folder / "runs"), str(folder / "found.safetensors")],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        timeout=240,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / "found.safetensors")


@pytest.mark.parametrize("case", two_processes.CASES)
def test_the_weights_of_two_processes_are_those_of_one(case, found, tmp_path):
    alone = two_processes.trained(case, tmp_path)
    for key, value in alone.items():
        torch.testing.assert_close(found[f"{case}/{key}"], value, rtol=1e-9, atol=1e-9, msg=key)
