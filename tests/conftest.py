import subprocess
import sys
from importlib import metadata

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

HOLDER = """
import sys, pathlib
from contrascope import records
with records.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def declare_torchvision_operators():
    """Declares the two compiled operators that torchvision's wheel lacks beside a CPU torch, while the result lives.

    Not where the two belong together: there they are compiled, and a second declaration would end the process.
    """
    installed = next(iter(metadata.distributions(name="torchvision")), None)
    if installed is None or "+cpu" not in torch.__version__ or "+cpu" in installed.version:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


@pytest.fixture(scope="session")
def torchvision_operators():
    return declare_torchvision_operators()


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
