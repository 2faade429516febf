"""Embeddings from anywhere as tensors of one shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.errors import InputError
from contrascope.types import HeldElsewhere

Rows = Tensor | np.ndarray | HeldElsewhere | Sequence[Any]
"""Embeddings from anywhere: a tensor, an array of any library, or lists."""
REAL = "fiub"
"""Kinds of numpy's types that hold real numbers."""


def are_rows(thing: Any) -> bool:
    """Whether this is of a kind that holds embeddings: no name, no model, no pair of models.

    >>> are_rows(torch.eye(2)), are_rows([[1.0]]), are_rows("runs/a"), are_rows(nn.Flatten())
    (True, True, False, False)
    """
    pair = isinstance(thing, tuple) and len(thing) == 2 and all(isinstance(one, nn.Module) for one in thing)
    model = isinstance(thing, nn.Module) or pair or (callable(thing) and not isinstance(thing, type))
    return isinstance(thing, Tensor | HeldElsewhere | Sequence) and not isinstance(thing, str) and not model


def views_of(name: str, rows: Rows) -> Float[Tensor, "views n dim"]:
    """Rows n x dim or views x n x dim, from a tensor, an array or lists, as float32 on the CPU.

    >>> views_of("h", np.zeros((3, 2), dtype=np.float16)).shape, views_of("h", [[1, 2], [3, 4]]).dtype
    (torch.Size([1, 3, 2]), torch.float32)
    """
    held = rows if isinstance(rows, Tensor) else _tensor(name, rows)
    if held.ndim not in (2, 3) or held.numel() == 0 or not held.is_floating_point():
        raise InputError(
            f"{name} has shape {tuple(held.shape)} and dtype {held.dtype}; expected real numbers, "
            "n x dim or views x n x dim, with at least one of each."
        )
    held = held.detach().float().cpu()
    return held if held.ndim == 3 else held[None]


def labels_of(name: str, column: Rows) -> Tensor:
    """Labels from a tensor, an array of any library, or a list, as a tensor.

    >>> labels_of("label", [0, 2, 1])
    tensor([0, 2, 1])
    """
    if isinstance(column, Tensor):
        return column.detach().cpu()
    array = np.asarray(column)
    if array.dtype.kind not in REAL:
        raise InputError(f"labels {name!r} have dtype {array.dtype}; expected integers, one an image.")
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))


def _tensor(name: str, rows: np.ndarray | HeldElsewhere | Sequence[Any]) -> Tensor:
    listed = not isinstance(rows, HeldElsewhere)
    if listed and any(isinstance(row, Tensor) for row in rows):
        rows = [row.detach().cpu().numpy() if isinstance(row, Tensor) else row for row in rows]
    try:
        array = np.asarray(rows, dtype=np.float64) if listed else np.asarray(rows)
        if array.dtype.kind not in REAL and array.dtype.name.startswith(("bfloat", "float8")):
            array = array.astype(np.float32)  # types of ml_dtypes, which JAX brings
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} is no array of numbers ({error}); expected n x dim or views x n x dim."
        ) from error
    if array.dtype.kind not in REAL:
        raise InputError(
            f"{name} has dtype {array.dtype}; expected real numbers, n x dim or views x n x dim."
        )
    wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
    array = np.ascontiguousarray(array, dtype=np.float64 if wide else array.dtype.newbyteorder("="))
    return torch.from_numpy(array if array.flags.writeable else array.copy())
