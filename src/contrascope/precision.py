"""Single precision whatever the caller's default dtype is: for what builds networks, or runs the code of others."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_precision() -> Iterator[None]:
    """Torch's default dtype is float32 while the block runs, or the function that it decorates; then as before.

    Ours name the dtype of what they make; modules, and code of others, take the default.

    >>> torch.set_default_dtype(torch.float64)
    >>> with single_precision():
    ...     torch.nn.Linear(1, 1).weight.dtype
    torch.float32
    >>> torch.get_default_dtype()
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
