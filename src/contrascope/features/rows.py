"""Embeddings from anywhere as tensors of one shape."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError


def views_of(name: str, rows: Tensor | np.ndarray | Sequence[object]) -> Float[Tensor, "views n dim"]:
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


def _tensor(name: str, rows: np.ndarray | Sequence[object]) -> Tensor:
    listed = not isinstance(rows, np.ndarray)
    if listed and any(isinstance(row, Tensor) for row in rows):
        rows = [row.detach().cpu().numpy() if isinstance(row, Tensor) else row for row in rows]
    try:
        array = np.asarray(rows, dtype=np.float64 if listed else None)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} is no array of numbers ({error}); expected n x dim or views x n x dim."
        ) from error
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{name} has dtype {array.dtype}; expected real numbers, n x dim or views x n x dim."
        )
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return torch.from_numpy(array if array.flags.writeable else array.copy())
