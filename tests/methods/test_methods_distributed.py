"""W processes with different data train every method as one process does on the joined batch."""

import os
import subprocess
import sys
from pathlib import Path

import method_cases
import numpy as np
import pytest

import contrascope

SOURCE = Path(contrascope.__file__).parents[1]


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)], ids="W={}".format)
def processes(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, method_cases.__file__, str(request.param), str(folder)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f"rank{rank}.npz")) for rank in range(request.param)]


@pytest.fixture(scope="module")
def alone():
    return method_cases.all_trained()


ROUNDING = {"w_mse": 5.0}
"""Times the tolerance of single precision: whitening divides by standard deviations of small numbers."""


def distance(actual, expected, scale):
    """Largest difference over the largest entry; entries that are zero but for rounding count by `scale`."""
    return np.abs(actual - expected).max() / max(np.abs(expected).max(), scale)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("case", method_cases.CASES)
def test_averaged_gradients_of_the_first_step_are_those_of_the_joined_batch(
    processes, alone, case, dtype, tolerance
):
    prefix = f"{case}/{dtype}/0.grad."
    expected = {key: value for key, value in alone.items() if key.startswith(prefix)}
    scale = 0.1 * max(np.abs(value).max() for value in expected.values())
    assert scale > 1e-4
    if dtype == "float32":
        tolerance *= ROUNDING.get(case.split()[0], 1.0)
    for found in processes:
        for key, value in expected.items():
            assert distance(found[key], value, scale) < tolerance, key


@pytest.mark.parametrize("case", method_cases.CASES)
def test_the_second_step_and_all_state_are_those_of_one_process(processes, alone, case):
    keys = [key for key in alone if key.startswith((f"{case}/float64/1.grad.", f"{case}/float64/state."))]
    assert any("running_mean" in key for key in keys)
    for found in processes:
        for key in keys:
            assert distance(found[key], alone[key], 0.01) < 1e-9, key


@pytest.mark.parametrize("name", method_cases.JOINT)
def test_unequal_batches_are_refused_by_every_method(processes, name):
    for found in processes:
        assert "images; expected equally many. Drop the last, incomplete batch." in str(
            found[f"unequal/{name}"]
        )
