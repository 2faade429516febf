"""Where a convex function of one number is least, and where it rises past a level."""

from collections.abc import Callable

import torch
from torch import Tensor


def argmin(convex: Callable[[Tensor], Tensor], low: float, high: float) -> float:
    """Where a convex function is least in [low, high], by a grid that closes in 16 times a round.

    >>> round(argmin(lambda x: (x - 0.25) ** 2, -1.0, 1.0), 6)
    0.25
    """
    for _ in range(8):
        grid = torch.linspace(low, high, 33, dtype=torch.float64)
        at = int(convex(grid).argmin())
        low, high = grid[max(at - 1, 0)].item(), grid[min(at + 1, 32)].item()
    return (low + high) / 2


def last_below(convex: Callable[[Tensor], Tensor], level: float, low: float, high: float) -> float:
    """A point at or just above the last one in [low, high] where a convex function is at most `level`.

    >>> round(last_below(lambda x: x**2, 0.25, 0.0, 1.0), 6)
    0.5
    """
    for _ in range(9):
        grid = torch.linspace(low, high, 33, dtype=torch.float64)
        below = (convex(grid) <= level).nonzero()
        at = int(below[-1]) if len(below) else 0
        low, high = grid[at].item(), grid[min(at + 1, 32)].item()
    return high


def log_sum(x: float, y: Tensor) -> Tensor:
    """log(e^x + e^y), float64.

    >>> log_sum(0.0, torch.zeros(1, dtype=torch.float64)).tolist()
    [0.69...]
    """
    return torch.logaddexp(torch.tensor(x, dtype=torch.float64), y)
