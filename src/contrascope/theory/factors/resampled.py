"""Intervals from bootstrap draws of what noise biases: means of cosines, ratios, and the largest of several."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.intervals import percentile_interval

NEAR = 2.0
"""Standard errors of a difference within which a value may be the largest one."""


def reflected_interval(
    value: float, statistics: Float[Tensor, " draws"], *, level: float = 0.95, limit: float = math.inf
) -> tuple[float, float]:
    """The basic bootstrap interval: the draws of a smooth statistic mirrored at `value`, which it always contains.

    What resampling adds to a statistic, the sample added to it before: mirrored, that bias is taken off. The ends
    stay in [-limit, limit]. No draw gives a point.

    >>> reflected_interval(10.0, torch.arange(99.0) - 39, level=0.5, limit=20.0)
    (-15.0, 20.0)
    """
    if len(statistics) == 0:
        return value, value
    low, high = percentile_interval(statistics, level=level)
    return max(-limit, min(value, 2 * value - high)), min(limit, max(value, 2 * value - low))


def positive_interval(
    value: float, statistics: Float[Tensor, " draws"], *, level: float = 0.95
) -> tuple[float, float]:
    """`reflected_interval` of a positive statistic, as a variance or a ratio, on the scale of its logarithm.

    >>> positive_interval(2.0, torch.tensor([1.0, 2.0, 4.0]), level=0.999)
    (1.0, 4.0)
    """
    kept = statistics[(statistics > 0) & statistics.isfinite()]
    if not 0 < value < math.inf or len(kept) == 0:
        return value, value
    low, high = reflected_interval(math.log(value), kept.double().log(), level=level)
    return math.exp(low), math.exp(high)


def largest_interval(
    values: Float[Tensor, " k"],
    statistics: Float[Tensor, "draws k"],
    *,
    level: float = 0.95,
    limit: float = math.inf,
) -> tuple[float, float]:
    """Interval of the largest of k numbers of which `values` are estimates and `statistics` bootstrap draws.

    The largest estimate lies too high where several numbers are nearly largest. The lower end allows for every number
    that may be the largest one (within `NEAR` standard errors of its difference), the upper end for one that stands
    alone; so it covers at least as often as it says, and more often between the two (no interval of a maximum is
    exact everywhere: Hirano and Porter 2012, Econometrica 80). The ends stay in [-limit, limit]; no draw gives a point.

    >>> largest_interval(torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    (1.0, 1.0)
    """
    top = values.max().item()
    if len(statistics) == 0:
        return top, top
    statistics, values = statistics.double(), values.double()
    noise = statistics - statistics.mean(dim=0)
    unbiased = 2 * values - statistics.mean(dim=0)
    first = int(unbiased.argmax())
    best = unbiased[first].item()
    near = NEAR * (noise - noise[:, first : first + 1]).std(dim=0, correction=0)
    gap = (best - unbiased - near).clamp_min(0)
    tail = (1 - level) / 2
    low = best - torch.quantile((noise - gap).amax(dim=1), 1 - tail).item()
    high = best - torch.quantile(noise[:, first], tail).item()
    return max(-limit, min(top, low)), min(limit, max(top, high))
