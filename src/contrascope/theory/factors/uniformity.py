"""How evenly unit rows fill the sphere: pair potential, Wasserstein distance, spread of every dimension."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate, generator, mean_estimate
from contrascope.linalg import require_finite, unit_rows
from contrascope.theory.factors.spectrum import Moments, covariance_and_gram


@dataclass(frozen=True, kw_only=True)
class FeatureStd:
    """Standard deviation of every dimension of the unit rows, times sqrt(dim)."""

    values: Float64[Tensor, " dim"]
    """One per dimension; all are 1 for the uniform law, all 0 for constant features."""
    mean: float
    """Their mean, 0 to 1."""
    least: float
    """The smallest."""
    dead: int
    """Dimensions of the given features (before normalisation) that hold one and the same value in every row."""


def uniformity(
    h: Float[Tensor, "n dim"],
    *,
    t: float = 2.0,
    draws: int = 0,
    max_rows: int = 10_000,
    chunk_rows: int = 512,
) -> Estimate:
    """Log of the mean of exp(-t |x - y|^2) over distinct pairs of unit rows: 0 is collapse, lower is more even.

    Wang and Isola 2020 (arXiv:2005.10242), their L_uniform; the rows are views of distinct images. Range -4t
    to 0; `uniform_law_uniformity` is the value of the uniform law. All pairs in float64; above `max_rows` rows,
    all pairs of a fixed random sample of `max_rows` of them. A zero row stays at the origin.

    The interval is a bootstrap over images of the first-order (Hajek) term, log U + 2 (g_i / U - 1) with g_i
    the mean potential of image i: cheap, and too wide where the potential is the same everywhere.

    >>> round(uniformity(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])).value, 12)
    -8.0
    """
    if not (t > 0 and math.isfinite(t)) or max_rows < 2 or chunk_rows < 1:
        raise InputError(
            f"t={t}, max_rows={max_rows}, chunk_rows={chunk_rows}; expected t > 0, max_rows >= 2, chunk_rows >= 1."
        )
    _require_rows(h)
    if len(h) > max_rows:
        order = torch.randperm(len(h), generator=generator(0, "uniformity"))[:max_rows]
        h = h[order.sort().values.to(h.device)]
    require_finite(h, "h")
    mean = _mean_potentials(unit_rows(h.detach().double()), t, chunk_rows)
    value = math.log(mean.mean())
    influence = value + 2 * (mean / mean.mean() - 1)
    return mean_estimate(influence, draws=draws, key="uniformity", within=(-4 * t, 0.0))


def _mean_potentials(x: Tensor, t: float, chunk_rows: int) -> Tensor:
    """Mean of exp(-t |x_i - x_j|^2) over j != i, for every i; each pair is computed once."""
    norms = x.square().sum(dim=1).round()  # 1, or 0 for a zero row
    total = x.new_zeros(len(x))
    for start in range(0, len(x), chunk_rows):
        stop = min(start + chunk_rows, len(x))
        block = torch.addmm(norms[start:], x[start:stop], x[start:].T, alpha=-2)
        block.add_(norms[start:stop, None]).clamp_min_(0).mul_(-t).exp_().fill_diagonal_(0)
        total[start:stop] += block.sum(dim=1)
        total[stop:] += block[:, stop - start :].sum(dim=0)
    return total / (len(x) - 1)


def uniform_law_uniformity(dim: int, t: float = 2.0) -> float:
    """`uniformity` of the uniform law on the unit sphere of `dim` dimensions: -2t + log 0F1(; dim/2; t^2).

    The density of the inner product x . y turns the expectation of exp(2t x . y) into this series, whose terms
    are all positive; it is summed in logarithms, so dim and t may be large. Error below 1e-12.

    >>> [round(uniform_law_uniformity(dim), 3) for dim in (2, 16, 128, 512)]
    [-1.575, -3.513, -3.938, -3.984]
    """
    if dim < 1 or not (t > 0 and math.isfinite(t)):
        raise InputError(f"dim={dim}, t={t}; expected dim >= 1 and t > 0.")
    term, terms = 0.0, [0.0]
    for k in range(64 + int(3 * t)):
        term += 2 * math.log(t) - math.log(k + 1) - math.log(dim / 2 + k)
        terms.append(term)
    largest = max(terms)
    return largest + math.log(math.fsum(math.exp(term - largest) for term in terms)) - 2 * t


def wasserstein_uniformity(h: Float[Tensor, "n dim"], *, chunk_rows: int = 4096) -> float:
    """Wasserstein-2 distance of the Gaussian with the unit rows' mean and covariance to N(0, I / dim).

    Fang et al. 2024 (arXiv:2403.00642): sqrt(|mu|^2 + 1 + tr S - 2 / sqrt(dim) tr S^(1/2)), S divided by n.
    Range 0 (uniform) to sqrt(2) (constant). If only r dimensions are used, evenly, it is
    sqrt(2 - 2 sqrt(r / dim)): it sees the dimensional collapse that `uniformity` hardly does. With n <= dim
    rows it cannot fall below sqrt(2 - 2 sqrt((n - 1) / dim)).

    >>> round(wasserstein_uniformity(torch.eye(2).repeat(2, 1) * torch.tensor([[1.0], [1], [-1], [-1]])), 7)
    0.0
    """
    moments = _unit_moments(h, chunk_rows)
    root_trace = moments.centred_singular_values().sum() / math.sqrt(moments.count)
    square = moments.mean.square().sum() + 1 + moments.root.square().sum() / moments.count
    return (square - 2 * root_trace / math.sqrt(len(moments.mean))).clamp_min(0).sqrt().item()


def feature_std(h: Float[Tensor, "n dim"], *, chunk_rows: int = 4096) -> FeatureStd:
    """Standard deviation (divisor n) of every dimension of the unit rows, times sqrt(dim).

    The collapse indicator of SimSiam (Chen and He 2021, arXiv:2011.10566, section 4.1): 1 for rows that are
    uniform on the sphere, 0 for constant ones.

    >>> feature_std(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).dead
    1
    """
    moments = _unit_moments(h, chunk_rows)
    values = moments.root.square().sum(dim=0).div(moments.count).sqrt() * math.sqrt(h.shape[1])
    dead = int((h.amin(dim=0) == h.amax(dim=0)).sum())
    return FeatureStd(values=values, mean=values.mean().item(), least=values.min().item(), dead=dead)


def _unit_moments(h: Tensor, chunk_rows: int) -> Moments:
    _require_rows(h)
    return covariance_and_gram(_unit_blocks(h.detach(), chunk_rows), chunk_rows=chunk_rows)


def _unit_blocks(h: Tensor, chunk_rows: int) -> Iterator[Tensor]:
    for start in range(0, len(h), max(1, chunk_rows)):
        block = h[start : start + chunk_rows]
        require_finite(block, f"h from row {start}")
        yield unit_rows(block.double())


def _require_rows(h: Tensor) -> None:
    if len(h) < 2 or h.shape[1] == 0:
        raise InputError(
            f"h has shape {list(h.shape)}; expected [n, dim] with at least 2 rows (one view of 2 images) "
            "and 1 feature."
        )
