"""Bootstrap intervals over test images, with keyed randomness."""

import hashlib
import math

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError

BLOCK_DRAWS = 1 << 22
"""Resampled values held at once."""


def generator(seed: int, *words: str | int) -> torch.Generator:
    """A CPU generator that depends on the seed and the words alone, not on what was drawn before.

    >>> torch.equal(torch.rand(2, generator=generator(0, "a")), torch.rand(2, generator=generator(0, "a")))
    True
    """
    digest = hashlib.sha256(repr((seed, *words)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def bootstrap_interval(
    values: Float[Tensor, " n"], *, draws: int = 1000, level: float = 0.95, seed: int = 0, key: str = ""
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`, resampled with replacement.

    It lies in the range of `values`; it has width 0 where all are equal or there is one.

    >>> bootstrap_interval(torch.ones(9))
    (1.0, 1.0)
    """
    if len(values) == 0 or draws < 2 or not 0 < level < 1:
        raise InputError(
            f"bootstrap of {len(values)} values with draws={draws}, level={level}; "
            "expected at least 1 value, 2 draws and a level between 0 and 1."
        )
    values = values.detach().double().cpu()
    source = generator(seed, "bootstrap", key)
    step = max(1, BLOCK_DRAWS // len(values))
    means = [
        values[torch.randint(len(values), (min(step, draws - start), len(values)), generator=source)].mean(
            dim=1
        )
        for start in range(0, draws, step)
    ]
    tail = (1 - level) / 2
    low, high = torch.quantile(torch.cat(means), torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    assert math.isfinite(low + high)
    return low, high
