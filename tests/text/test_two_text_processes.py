"""Two processes train every method of sentences as one does: loss, gradients and weights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_text_processes
from safetensors.torch import load_file

import contrascope

SOURCE = Path(contrascope.__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, two_text_processes.__file__, str(folder / "runs"), str(folder / "found.safetensors")],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        timeout=240,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / "found.safetensors")


@pytest.mark.parametrize("case", two_text_processes.CASES)
def test_loss_gradients_and_weights_of_two_processes_are_those_of_one(case, found, tmp_path):
    alone = two_text_processes.trained(case, tmp_path)
    kinds = {name.partition(".")[0] for name in alone}
    assert kinds == {"state", "grad", "loss", "align", "spread"}
    assert len(alone["loss"]) == 3
    for key, value in alone.items():
        tolerance = (
            1e-9 if key.startswith(("state", "grad")) else 1e-6
        )  # a row of the log has six digits or so
        torch.testing.assert_close(found[f"{case}/{key}"], value, rtol=tolerance, atol=tolerance, msg=key)
    assert max(value.abs().max() for key, value in alone.items() if key.startswith("grad")) > 1e-3
