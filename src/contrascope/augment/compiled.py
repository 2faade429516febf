"""Where the compiled kernels stand in for tensor code: on a CPU with numba (the extra `fast`)."""

import functools
import importlib
import importlib.util
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from contrascope.progress import to_stderr

OFF = "CONTRASCOPE_NO_COMPILED_VIEWS"
"""Environment variable that, set to anything, leaves the tensor code alone."""
LEAST_VALUES = 2**17
"""Values put out below which a second thread costs more than it gives."""


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


def run(kernel: Callable[..., None], count: int, *tensors: Tensor) -> None:
    """The kernel on images 0 to `count`, shared out among as many threads as torch uses.

    A kernel is told its first and last image and releases the interpreter's lock; images do not touch each other.
    """
    arrays = [array(tensor) for tensor in tensors]
    threads = min(torch.get_num_threads(), count) if arrays[-1].size >= LEAST_VALUES else 1
    cuts = [count * part // threads for part in range(threads + 1)]
    parts = list(itertools.pairwise(cuts))
    others = [_pool().submit(kernel, low, high, *arrays) for low, high in parts[1:]]
    kernel(*parts[0], *arrays)
    for other in others:
        other.result()


def run_on_pixels(kernel: Callable[..., None], images: Tensor, *tensors: Tensor) -> Tensor:
    """What a kernel on [batch channel pixels] makes of these images, which stay as they are."""
    flat = images.flatten(2).contiguous()
    out = torch.empty_like(flat)
    run(kernel, len(flat), flat, *tensors, out)
    return out.view(images.shape)


def array(tensor: Tensor) -> np.ndarray:
    """The same memory as an array, rows one after the other; a copy where they are not."""
    return tensor.detach().contiguous().numpy()


@functools.cache
def _kernels() -> ModuleType | None:
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        return importlib.import_module("contrascope.augment.kernels")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:  # built for another numpy, say
        to_stderr(f"numba cannot be imported ({error}); views are made without it, more slowly.")
        return None


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="views")


if hasattr(os, "register_at_fork"):  # the threads do not live on in a forked process
    os.register_at_fork(after_in_child=_pool.cache_clear)
