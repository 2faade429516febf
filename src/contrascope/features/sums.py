"""Files of tensors that carry a sum of what is in them, so that a bit which changed since is noticed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from contrascope.errors import InputError

SUM = "sha256"
"""Key of the sum in the metadata of a file of safetensors."""


def tensors_sum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and numbers, in hexadecimal digits.

    >>> one = {"a": torch.ones(2)}
    >>> tensors_sum(one) == tensors_sum({"a": torch.ones(2)}) != tensors_sum({"b": torch.ones(2)})
    True
    """
    found = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        found.update(f"{name!r} {tuple(values.shape)} {values.dtype}\n".encode())
        found.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def load_checked(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file of safetensors; raises `InputError` where a tensor is not as it was written.

    A file without a sum, from elsewhere or of an older version, is taken as it is.
    """
    with safe_open(path, framework="pt") as file:
        told = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    if SUM in told and told[SUM] != tensors_sum(tensors):
        raise InputError(f"{path} is damaged: its tensors are not those that were written. Write it anew.")
    return tensors, told
