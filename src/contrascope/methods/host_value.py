"""Numbers of a method that both the host and a checkpoint need: a buffer, and what the host wrote into it last."""

import numpy as np
import torch
from torch import Tensor


class HostValue:
    """What a buffer of one number holds, read from the device only where somebody else has written it.

    Whoever writes here says so by `set`; after a checkpoint was loaded the first `get` waits for the device once.

    >>> steps, value = torch.zeros((), dtype=torch.int64), HostValue()
    >>> value.set(steps, 3)
    >>> steps.item(), value.get(steps)
    (3, 3)
    >>> _ = steps.fill_(7)
    >>> value.get(steps)
    7
    """

    def __init__(self) -> None:
        self._buffer: Tensor | None = None
        self._version, self._value = -1, 0.0

    @torch.no_grad()
    def set(self, buffer: Tensor, value: int | float) -> None:
        """Writes the number into the buffer, which may round it."""
        buffer.fill_(value)
        self._keep(buffer, rounded(value, buffer.dtype))

    def get(self, buffer: Tensor) -> int | float:
        """The number as the buffer holds it."""
        if self._buffer is not buffer or self._version != buffer._version:
            self._keep(buffer, buffer.item())
        return self._value

    def _keep(self, buffer: Tensor, value: int | float) -> None:
        self._buffer, self._version, self._value = buffer, buffer._version, value


def rounded(value: int | float, dtype: torch.dtype) -> int | float:
    """The number as a tensor of this type holds it.

    >>> rounded(0.7, torch.float32) < 0.7
    True
    """
    if dtype == torch.float32:
        return float(np.float32(value))
    return value if dtype in (torch.float64, torch.int64) else torch.tensor(value, dtype=dtype).item()
