"""Where the compiled kernels stand in for tensor code: on a CPU with numba (the extra `fast`)."""

import functools
import importlib
import importlib.util
import os
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

OFF = "CONTRASCOPE_NO_COMPILED_VIEWS"
"""Environment variable that, set to anything, leaves the tensor code alone."""


def kernels_for(*tensors: Tensor) -> ModuleType | None:
    """`contrascope.augment.kernels`, where these tensors are bytes or float32 on a CPU and numba is installed.

    None elsewhere: tensor code then does the same, with the same bits.

    >>> kernels_for(torch.zeros(2, dtype=torch.float64)) is None
    True
    """
    for tensor in tensors:
        if (
            tensor.device.type != "cpu"
            or tensor.dtype not in (torch.uint8, torch.float32)
            or not tensor.numel()
        ):
            return None
    return None if os.environ.get(OFF) else _kernels()


def array(tensor: Tensor) -> np.ndarray:
    """The same memory as an array, rows one after the other; a copy where they are not."""
    return tensor.detach().contiguous().numpy()


@functools.cache
def _kernels() -> ModuleType | None:
    if importlib.util.find_spec("numba") is None:
        return None
    return importlib.import_module("contrascope.augment.kernels")
