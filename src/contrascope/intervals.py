"""Intervals over images: means, shares, and statistics of all images; randomness is keyed.

Each covers what it names in 93 to 97 of 100 samples, by simulation (tests/test_coverage.py); those of a largest value
in at least 95.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Bool, Float, Int
from scipy.special import stdtrit
from torch import Tensor

from contrascope.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number and its interval over images; both ends equal the value where none was asked for."""

    value: float
    """The statistic of all images."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


BLOCK_DRAWS = 1 << 22
"""Resampled values held at once."""
GROUPS = 40
"""Groups of images, each left out once, where a whole statistic is repeated."""
NORMAL_95 = 1.959964
"""97.5th percentile of the normal law."""
SPLITS = 100
"""Random splits of the images into halves."""


def generator(seed: int, *words: str | int) -> torch.Generator:
    """A CPU generator that depends on the seed and the words alone, not on what was drawn before.

    >>> torch.equal(torch.rand(2, generator=generator(0, "a")), torch.rand(2, generator=generator(0, "a")))
    True
    """
    digest = hashlib.sha256(repr((seed, *words)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def mean_interval(
    values: Float[Tensor, " n"], *, draws: int = 1000, level: float = 0.95, seed: int = 0, key: str = ""
) -> tuple[float, float]:
    """Studentised bootstrap interval of the mean of `values`, resampled with replacement.

    Each draw's mean less that of all, over the draw's own standard error: so a skewed law is met as well (Efron and
    Tibshirani 1993, chapter 12). Width 0 where all are equal or there is one.

    >>> mean_interval(torch.ones(9))
    (1.0, 1.0)
    """
    n = len(values)
    _check(n, draws, level)
    values = values.detach().double().cpu()
    mean = values.mean().item()
    error = _standard_error(values - mean)
    if error <= 1e-15 * abs(mean):
        return mean, mean
    ratios = []
    for rows in _drawn_rows(n, draws=draws, seed=seed, key=key):
        drawn = values[rows]
        spread = (drawn.std(dim=1) / math.sqrt(n)).clamp_min(
            error / 4
        )  # few draws agree on one value by chance
        ratios.append((drawn.mean(dim=1) - mean) / spread)
    low, high = percentile_interval(torch.cat(ratios), level=level)
    return mean - max(high, 0.0) * error, mean - min(low, 0.0) * error


def mean_estimate(
    values: Float[Tensor, " n"],
    *,
    draws: int = 0,
    seed: int = 0,
    key: str = "",
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """Mean of `values`, one an image, with its 95 % interval; without draws the interval is a point.

    `within` is the range that the mean can have; the ends stay in it.

    >>> mean_estimate(torch.tensor([1.0, 3.0]))
    Estimate(value=2.0, low=2.0, high=2.0)
    """
    value = values.detach().double().mean().item()
    if draws == 0:
        return Estimate(value=value, low=value, high=value)
    low, high = mean_interval(values, draws=draws, seed=seed, key=key)
    return Estimate(value=value, low=max(low, within[0]), high=min(high, within[1]))


def share_interval(
    values: Float[Tensor, " n"], *, level: float = 0.95, images: float | None = None
) -> tuple[float, float]:
    """Wilson's interval of a share, the mean of `values` in [0, 1], one an image; it lies in [0, 1].

    `images` is how many independent right-or-wrong images the share is worth (`images_worth`), known from the images
    themselves: then Student's t with twice the number of the rarer ones as degrees of freedom stands for the normal
    law. Without it n p (1 - p) over the variance of `values`. Of none or all the interval is that of n independent
    images: never a point.

    >>> [round(end, 4) for end in share_interval(torch.zeros(100))]
    [0.0, 0.037]
    """
    n = len(values)
    _check(n, 2, level)
    values = values.detach().double()
    share = min(1.0, max(0.0, values.mean().item()))
    inside, variance = share * (1 - share), n * _standard_error(values - share) ** 2
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    if images is None:
        images = n * inside / variance if variance > 0 and inside > 0 else n
    else:  # as a variance of few rare images knows itself
        quantile = stdtrit(max(4.0, 2 * n * min(share, 1 - share)), (1 + level) / 2).item()
    z = quantile**2 / images
    centre, half = (share + z / 2) / (1 + z), math.sqrt(z * inside + z * z / 4) / (1 + z)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def share_estimate(values: Float[Tensor, " n"], *, draws: int = 0, images: float | None = None) -> Estimate:
    """The share of `share_interval` with its 95 % interval, in closed form; with `draws` of 0 a point.

    >>> share_estimate(torch.tensor([0.0, 1.0]))
    Estimate(value=0.5, low=0.5, high=0.5)
    """
    value = values.detach().double().mean().item()
    low, high = share_interval(values, images=images) if draws else (value, value)
    return Estimate(value=value, low=low, high=high)


def random_halves(n: int, *, splits: int = SPLITS) -> Bool[Tensor, "splits n"]:
    """Which of n images are in the first half, in many random splits; always the same ones.

    >>> random_halves(4, splits=2).sum(dim=1).tolist()
    [2, 2]
    """
    source = generator(0, "halves")
    order = torch.rand(splits, n, generator=source, dtype=torch.float64).argsort(dim=1)
    return order < n // 2


def halves_error(values: Float[Tensor, "splits n"], half: Bool[Tensor, "splits n"]) -> float:
    """Standard error of a mean over n images whose values depend on the other images, as those of neighbours do.

    `values` are those that each image has among its own half. The two halves are independent samples: half their
    squared difference is the variance at n / 2 images, and half of that the one at n.

    >>> half = random_halves(100)
    >>> round(halves_error((torch.arange(100.0) < 50).expand(SPLITS, 100).double(), half), 2)
    0.04
    """
    return half_gaps(values, half).square().mean().div(4).sqrt().item()


def half_gaps(values: Float[Tensor, "splits n"], half: Bool[Tensor, "splits n"]) -> Float[Tensor, " splits"]:
    """Mean over the first half less that over the second."""
    first = (values * half).sum(dim=1) / half.sum(dim=1)
    return first - (values * ~half).sum(dim=1) / (~half).sum(dim=1)


def count_in_half(nearer: Bool[Tensor, "n n"], half: Bool[Tensor, "splits n"]) -> Float[Tensor, "splits n"]:
    """How many of the images that row i of `nearer` marks are in the half of image i.

    >>> count_in_half(torch.ones(3, 3).bool(), torch.tensor([[True, False, False]])).tolist()
    [[1.0, 2.0, 2.0]]
    """
    of_first = half.float() @ nearer.T.float()
    return torch.where(half, of_first, nearer.sum(dim=1) - of_first)


def first_in_half(
    near: Int[Tensor, "n near"], half: Bool[Tensor, "splits n"], k: int
) -> Bool[Tensor, "splits n near"]:
    """Which of the images near each one, nearest first, are the k nearest of its half, or all where there are fewer.

    >>> first_in_half(torch.tensor([[1, 2], [2, 0], [1, 0]]), torch.tensor([[True, False, True]]), 1).tolist()
    [[[False, True], [False, False], [False, True]]]
    """
    same = half[:, near] == half[:, :, None]
    return same & (same.cumsum(dim=2, dtype=torch.int16) <= k)


def images_worth(values: Float[Tensor, "splits n"], half: Bool[Tensor, "splits n"]) -> float:
    """How many independent images the share of right ones is worth, from the values that images have in halves.

    >>> half = random_halves(100)
    >>> 60 < images_worth((torch.arange(100.0) < 50).expand(SPLITS, 100).double(), half) < 160
    True
    """
    n, share, error = half.shape[1], values.mean().item(), halves_error(values, half)
    inside = share * (1 - share)
    return min(4.0 * n, inside / error**2) if inside > 0 and error > 0 else float(n)


def grouped_estimate(
    statistic: Callable[[Int[Tensor, " kept"]], float],
    n: int,
    *,
    draws: int = 0,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """A statistic of all of n images with its 95 % interval: repeated without each of 40 groups of them.

    The grouped jackknife, with Student's t. For smooth statistics that no closed form serves; `statistic` gets the
    rows that stay, rising. With `draws` of 0 a point.

    >>> values = torch.arange(80.0)
    >>> found = grouped_estimate(lambda rows: values[rows].mean().item(), 80, draws=1)
    >>> found.value, round(found.high - found.value, 1)
    (39.5, 4.3)
    """
    value = statistic(torch.arange(n))
    groups = min(GROUPS, n)
    if draws == 0 or groups < 2:
        return Estimate(value=value, low=value, high=value)
    place = torch.randperm(n, generator=generator(0, "groups")) % groups
    without = torch.tensor([statistic((place != g).nonzero().flatten()) for g in range(groups)]).double()
    return grouped_interval(value, without, within=within)


def grouped_interval(
    value: float | Float[Tensor, ""],
    without: Float[Tensor, " groups"],
    *,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """The grouped jackknife's 95 % interval of a statistic, from its values without each group of images.

    Student's t with as many degrees of freedom as there are groups less one; a point with fewer than two.

    >>> grouped_interval(1.0, torch.ones(4))
    Estimate(value=1.0, low=1.0, high=1.0)
    """
    value, groups = float(value), len(without)
    if groups < 2:
        return Estimate(value=value, low=value, high=value)
    error = math.sqrt((groups - 1) * without.double().var(correction=0).item())
    half = stdtrit(groups - 1, 0.975).item() * error
    return Estimate(value=value, low=max(within[0], value - half), high=min(within[1], value + half))


def resample_counts(
    n: int, *, draws: int, seed: int = 0, key: str = "", block: int | None = None
) -> Iterator[Float[Tensor, "draws_of_block n"]]:
    """How often each of n images is in each bootstrap draw, in blocks of draws; every row sums to n.

    A weighted statistic of all draws of a block is then one matrix product. The draws are those of
    `mean_interval` with the same n, seed and key, whatever the number of draws in a `block`.

    >>> [block.sum(dim=1).tolist() for block in resample_counts(4, draws=3)]
    [[4.0, 4.0, 4.0]]
    """
    _check(n, draws, level=0.5)
    for rows in _drawn_rows(n, draws=draws, seed=seed, key=key, block=block):
        counts = torch.zeros(rows.shape, dtype=torch.float64)
        yield counts.scatter_add_(1, rows, torch.ones((), dtype=torch.float64).expand(rows.shape))


def percentile_interval(statistics: Float[Tensor, " draws"], *, level: float = 0.95) -> tuple[float, float]:
    """The central part of a bootstrap distribution that holds a next draw with probability `level`.

    Of B draws the ends are the ((B + 1) (1 - level) / 2)-th from below and from above, interpolated: the quantiles of
    the draws alone would leave a next one out too often.

    >>> percentile_interval(torch.arange(99.0), level=0.5)
    (24.0, 74.0)
    """
    count = len(statistics)
    tail = max(0.0, ((count + 1) * (1 - level) / 2 - 1) / max(1, count - 1))
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    low, high = torch.quantile(statistics.double(), ends).tolist()
    assert math.isfinite(low + high)
    return low, high


def _standard_error(centred: Float[Tensor, " n"]) -> float:
    n = len(centred)
    return math.sqrt(centred.square().sum().item() / (n * (n - 1))) if n > 1 else 0.0


def _drawn_rows(n: int, *, draws: int, seed: int, key: str, block: int | None = None) -> Iterator[Tensor]:
    source = generator(seed, "bootstrap", key)
    step = block or max(1, BLOCK_DRAWS // n)
    for start in range(0, draws, step):
        yield torch.randint(n, (min(step, draws - start), n), generator=source)


def _check(n: int, draws: int, level: float) -> None:
    if n == 0 or draws < 2 or not 0 < level < 1:
        raise InputError(
            f"bootstrap of {n} values with draws={draws}, level={level}; "
            "expected at least 1 value, 2 draws and a level between 0 and 1."
        )
