"""Fixed numbers on a device, sent there once and not anew in every step."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def constant(values: Sequence[Any], *, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """These numbers as a tensor that nobody may change: off the CPU the same one at every call.

    `torch.tensor` would send them from the host each time, and wait until the device has done all that it was given
    before.

    >>> constant((1, 2), device=torch.device("cpu")).tolist()
    [1, 2]
    """
    if device.type == "cpu":
        return torch.tensor(values, dtype=dtype, device=device)
    return _held(_frozen(values), device, dtype)


def _frozen(values: Any) -> Any:
    return tuple(_frozen(one) for one in values) if isinstance(values, list | tuple) else values


@functools.lru_cache(maxsize=1024)
def _held(values: Any, device: torch.device, dtype: torch.dtype | None) -> Tensor:
    with torch.inference_mode(False):  # one that was made in inference could not be part of a graph later
        return torch.tensor(values, dtype=dtype, device=device)
