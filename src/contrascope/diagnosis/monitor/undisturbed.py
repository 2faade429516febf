"""A measurement in the middle of somebody's training leaves everything as it was."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from contrascope.precision import single_precision


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Inside: no gradients, no autocast, float32, new tensors on the CPU. Afterwards all is as it was.

    What is drawn inside, by our code or by the caller's, moves none of the caller's random numbers: those of Python,
    numpy, and torch on the CPU and on `device`.

    >>> before = torch.get_rng_state()
    >>> with undisturbed(torch.device("cpu")):
    ...     drawn = torch.rand(3), random.random(), torch.is_grad_enabled()
    >>> torch.equal(before, torch.get_rng_state()), drawn[2], torch.is_grad_enabled()
    (True, False, True)
    """
    python, torch_cpu = random.getstate(), torch.get_rng_state()
    arrays = np.random.get_state()  # noqa: NPY002 (the caller's own)
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        with (
            single_precision(),
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast("cpu", enabled=False),
            torch.autocast(device.type, enabled=False),
            torch.device("cpu"),
        ):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)  # noqa: NPY002
        torch.set_rng_state(torch_cpu)
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu, device)
