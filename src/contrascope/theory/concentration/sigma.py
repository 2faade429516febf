"""What sigma of a sample says of other samples, and which (sigma, delta) serves the main theorem best."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.theory.bounds.bound import Bound
from contrascope.theory.bounds.error_bounds import best_error_bound
from contrascope.theory.concentration.concentration import Concentration


@dataclass(frozen=True, kw_only=True)
class SigmaInterval:
    """Interval of the sigma that samples of this size have on average, at every delta."""

    deltas: Float[Tensor, " grid"]
    """The grid."""
    low: Float[Tensor, "classes grid"]
    """Lower end for each class."""
    high: Float[Tensor, "classes grid"]
    """Upper end for each class; no share of the population exceeds it either."""
    level: float
    """Probability, at least, with which each interval of a class at one delta holds."""

    @property
    def minimum(self) -> tuple[Float[Tensor, " grid"], Float[Tensor, " grid"]]:
        """Interval of the smallest class's sigma: both minima. Ask for level 1 - a / classes to hold at 1 - a."""
        return self.low.amin(dim=0), self.high.amin(dim=0)


def sigma_interval(found: Concentration, *, level: float = 0.95) -> SigmaInterval:
    """Interval of E sigma_n, the mean of sigma over samples of n images of the class; no resampling.

    A bootstrap is invalid here: copies of one image are at distance 0, so resampled cliques are too large, and
    those of subsamples too (E sigma_n falls as n grows, towards the largest share of the population from above).
    But the largest clique of a sample is a configuration function, so it has tails no heavier than a Poisson
    variable of its mean (Boucheron, Lugosi, Massart 2000, "A sharp concentration inequality with applications");
    and one image changes it by at most 1 (McDiarmid). The interval is the intersection of both, each
    with half of the error, from the ends of the bracket. The upper end bounds the population's sigma too; the
    lower end does not.

    >>> ones = torch.ones(1, 1, dtype=torch.float64)
    >>> found = Concentration(deltas=ones[0], classes=torch.zeros(1, dtype=torch.int64),
    ...     counts=torch.tensor([400]), lower=ones / 4, upper=ones / 4)
    >>> [round(end.item(), 3) for end in (sigma_interval(found).low, sigma_interval(found).high)]
    [0.183, 0.324]
    """
    if not 0 < level < 1:
        raise InputError(f"level={level}; expected a probability between 0 and 1.")
    error = math.log(4 / (1 - level))
    counts = found.counts.tolist()
    low, high = torch.empty_like(found.lower), torch.empty_like(found.upper)
    for row, count in enumerate(counts):
        reach = math.sqrt(error / (2 * count))
        for column in range(found.lower.shape[1]):
            least, most = found.lower[row, column].item(), found.upper[row, column].item()
            low[row, column] = max(1 / count, least - reach, _mean_below(least * count, error) / count)
            high[row, column] = min(1.0, most + reach, _mean_above(most * count, error) / count)
    return SigmaInterval(deltas=found.deltas, low=low, high=high, level=level)


def _exponent(mean: float, size: float) -> float:
    """Rate of the Poisson tail: a variable of this mean is beyond `size` with probability e^-rate at most."""
    return size * math.log(size / mean) - size + mean


def _mean_below(size: float, error: float) -> float:
    """Smallest mean that makes `size` no surprise."""
    low, high = 1e-300, size
    return _root(low, high, size, error, rising=False)


def _mean_above(size: float, error: float) -> float:
    """Largest mean that makes `size` no surprise."""
    return _root(size, size + 2 * error + 2 * math.sqrt(size * error), size, error, rising=True)


def _root(low: float, high: float, size: float, error: float, *, rising: bool) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        if (_exponent(middle, size) > error) == rising:
            high = middle
        else:
            low = middle
    return high if rising else low


@dataclass(frozen=True, kw_only=True)
class SigmaDelta:
    """The point of a concentration curve at which the main theorem says most."""

    sigma: float
    """Proved share: lower end of the bracket, minimum over classes."""
    delta: float
    """Its delta."""
    bound: Bound
    """The main theorem there."""


def best_sigma_delta(
    found: Concentration,
    worst: Float[Tensor, " n"],
    centres: Float[Tensor, "classes dim"],
    priors: Float[Tensor, " classes"],
    *,
    lipschitz: float,
    norm: float = 1.0,
    views: int | float | None = None,
) -> SigmaDelta:
    """The (sigma, delta) of the grid with the smallest valid error bound, each at its best epsilon.

    Huang et al. 2023, Theorem 1, through `best_error_bound`: `worst` is the largest distance between embedded views
    of every image, so that R_eps is known for every epsilon; `views` is how many they are (infinity: all). Where no
    point proves anything it is the one whose centres come closest to their thresholds, and the bound says that it is
    vacuous.

    >>> two = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    >>> found = Concentration(deltas=torch.tensor([0.0, 0.0625]), classes=torch.arange(1),
    ...     counts=torch.tensor([2]), lower=two, upper=two)
    >>> best = best_sigma_delta(found, torch.zeros(4), torch.eye(2), torch.ones(2) / 2, lipschitz=1.0)
    >>> best.delta, best.bound.value
    (0.0625, 0.0)
    """
    bounds = [
        best_error_bound(
            worst, centres, priors, sigma=sigma, delta=delta, lipschitz=lipschitz, norm=norm, views=views
        )
        for sigma, delta in zip(found.sigma_low.tolist(), found.deltas.tolist(), strict=True)
    ]
    best = min(range(len(bounds)), key=lambda place: _rank(bounds[place]))
    return SigmaDelta(sigma=found.sigma_low[best].item(), delta=found.deltas[best].item(), bound=bounds[best])


def _rank(bound: Bound) -> tuple[bool, float]:
    """Bounds that hold come first, the smallest first; then those closest to their conditions."""
    return not bound.holds, bound.value if bound.holds else -bound.terms["smallest_slack"]
