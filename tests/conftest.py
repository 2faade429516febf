import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from torch.utils._python_dispatch import TorchDispatchMode

settings.register_profile("fixed", derandomize=True)  # what passes once passes on every machine
settings.load_profile("fixed")

HOLDER = """
import sys, pathlib
from contrascope import records
with records.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


DEADLINE = "SLOW_TESTS_BEGIN_BEFORE"
"""Environment: seconds since 1970 after which no slow test begins, where a machine has so much time and no more."""


def pytest_runtest_setup(item):
    end = os.environ.get(DEADLINE)
    if end is not None and time.time() > float(end) and item.get_closest_marker("slow"):
        pytest.skip("not begun: this machine was too slow to come to it in time")


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def torchvision_operators():
    # imported here: what a conftest imports is loaded before shapes are checked
    from contrascope.machine.torchvision_operators import complete_torchvision

    return complete_torchvision()


@pytest.fixture
def hold_elsewhere():
    def start(folder):
        return subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    return start


class LargestTensor(TorchDispatchMode):
    """The largest number of values that any tensor of a computation holds, in either direction."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(one, torch.Tensor):
                self.largest = max(self.largest, one.numel())
        return found


@pytest.fixture(scope="session")
def largest_tensor():
    return LargestTensor


@pytest.fixture(autouse=True)
def _nothing_allowed(monkeypatch):
    """What a test types or allows is forgotten after it."""
    monkeypatch.setenv("CONTRASCOPE_ALLOW_IMPORT", "")


REAL = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real():
    def path(name):
        folder = REAL / name
        if not folder.is_dir():
            pytest.skip(f"the real image set {name} is not at {folder}")
        return str(folder)

    return path


@pytest.fixture(scope="session")
def suite_run(tmp_path_factory):
    """A run of one epoch on colour scenes of 16 pixels; the suites' tests write elsewhere."""
    # imported here: what a conftest imports is loaded before shapes are checked
    from contrascope.data.settings import DataSettings
    from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
    from contrascope.evaluation.protocol import Protocol
    from contrascope.jobs.train import train
    from contrascope.methods.joint.simclr_settings import SimCLRSettings
    from contrascope.runs.settings import RunSettings
    from contrascope.training.settings import TrainingSettings

    out = tmp_path_factory.mktemp("runs") / "tiny"
    settings = RunSettings(
        data=DataSettings(source="scenes", size=16, count=150),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(epochs=1, batch_size=32),
        protocol=Protocol(k=5, probe_grid=(0.01,), probes=("linear",)),
    )
    torch.manual_seed(0)
    train(settings, out)
    return out


@pytest.fixture(scope="session")
def by_two_processes():
    """Runs a script in two processes of torchrun, with a folder for runs and a file to write; gives its tensors."""
    from safetensors.torch import load_file

    import contrascope

    source = Path(contrascope.__file__).parents[1]

    def found(script, folder):
        path = os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        done = subprocess.run(
            [*launch, script, str(folder / "runs"), str(folder / "found.safetensors")],
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
            timeout=240,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return load_file(folder / "found.safetensors")

    return found
