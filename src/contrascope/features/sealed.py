"""Files of tensors that carry a SHA-256 of what they hold, so that a changed bit is noticed when they are read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from contrascope.errors import InputError

SUM = "sha256"
"""Key of the sum among the words of a safetensors file."""


def save_sealed(tensors: Mapping[str, Tensor], path: Path, words: Mapping[str, str]) -> None:
    """Writes tensors and words as safetensors, with their sum among the words.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_sealed({"h": torch.ones(2)}, Path(folder) / "a.safetensors", {"format": "pt"})
    ...     read_sealed(Path(folder) / "a.safetensors")[1]["format"]
    'pt'
    """
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = dict(words)
    safetensors.torch.save_file(held, path, metadata={**told, SUM: tensor_sum(held, told)})


def read_sealed(path: Path, *, needed: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and words of a safetensors file, without the sum; raises `InputError` where it does not agree.

    A file from elsewhere has no sum and is taken as it is, unless one is `needed`. Raises `OSError` and
    `SafetensorError` for a file that cannot be opened.
    """
    with safetensors.safe_open(path, framework="pt") as file:
        words = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    told = words.pop(SUM, None)
    if told is None and needed:
        raise InputError(f"{path} carries no checksum. Remove it, so that it is made anew.")
    if told is not None and told != tensor_sum(tensors, words):
        raise InputError(
            f"{path} is damaged: its content is not what was written. Restore it, or make it anew."
        )
    return tensors, words


def tensor_sum(tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> str:
    """SHA-256 of names, types, shapes and bytes of tensors, and of the words beside them.

    >>> tensor_sum({"a": torch.zeros(1)}, {}) == tensor_sum({"a": torch.zeros(1, 1)}, {})
    False
    """
    found = hashlib.sha256(json.dumps(sorted(words.items())).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
