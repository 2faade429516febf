"""K-means: greedy k-means++ starts and Lloyd's iterations."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import squared_distances

ITERATIONS = 100
"""Iterations of Lloyd at most."""
STILL = 1e-4
"""The centres stand still when their squared moves sum to no more than this times the mean variance of a column."""


def k_means(
    rows: Float[Tensor, "n dim"], k: int, *, source: torch.Generator, starts: int = 1
) -> Float[Tensor, "k dim"]:
    """Centres of k clusters: of some starts that with the least sum of squared distances.

    A start is greedy k-means++ (Arthur and Vassilvitskii 2007, with the best of 2 + log k draws for each centre).
    Fewer distinct rows than k give centres that coincide. Raises `InputError` unless 1 <= k <= n.

    >>> rows = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    >>> k_means(rows, 2, source=torch.Generator().manual_seed(0)).flatten().sort().values.tolist()
    [0.5, 10.5]
    """
    if not 1 <= k <= len(rows):
        raise InputError(f"k={k} clusters of {len(rows)} rows; choose 1 <= k <= {len(rows)}.")
    rows = rows.detach()
    mean = rows.mean(dim=0)
    centred = rows - mean  # distances lose fewer digits
    found = [lloyd(centred, plus_plus(centred, k, source=source)) for _ in range(starts)]
    return min(found, key=lambda centres: _inertia(centred, centres)) + mean


def lloyd(rows: Float[Tensor, "n dim"], start: Float[Tensor, "k dim"]) -> Float[Tensor, "k dim"]:
    """Centres after Lloyd's iterations from `start`; one without rows stays where it is.

    >>> lloyd(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[0.0], [4.0], [99.0]])).tolist()
    [[0.5], [5.0], [99.0]]
    """
    still = STILL * rows.var(dim=0, correction=0).mean().item()
    centres = start
    for _ in range(ITERATIONS):
        moved = _means(rows, squared_distances(rows, centres).argmin(dim=1), centres)
        shift = (moved - centres).square().sum().item()
        centres = moved
        if shift <= still:
            break
    return centres


def plus_plus(rows: Float[Tensor, "n dim"], k: int, *, source: torch.Generator) -> Float[Tensor, "k dim"]:
    """K rows, far from one another: each is drawn by its squared distance to those before, the best of some draws."""
    draws = 2 + int(math.log(k))
    first = int(torch.randint(len(rows), (), generator=source))
    chosen, near = [first], _to(rows, [first])[0]
    for _ in range(k - 1):
        total = near.double().cumsum(dim=0)
        drawn = torch.searchsorted(
            total, torch.rand(draws, dtype=torch.float32, generator=source).double() * total[-1]
        )
        candidates = drawn.clamp_max(len(rows) - 1).tolist()
        left = torch.minimum(_to(rows, candidates), near)
        best = int(left.sum(dim=1).argmin())
        chosen.append(candidates[best])
        near = left[best]
    return rows[chosen]


def _to(rows: Tensor, chosen: list[int]) -> Float[Tensor, "chosen n"]:
    return squared_distances(rows, rows[chosen]).T


def _means(rows: Tensor, cluster: Int[Tensor, " n"], centres: Float[Tensor, "k dim"]) -> Tensor:
    counts = torch.bincount(cluster, minlength=len(centres))[:, None]
    sums = torch.zeros_like(centres).index_add_(0, cluster, rows)
    return torch.where(counts > 0, sums / counts.clamp_min(1), centres)


def _inertia(rows: Tensor, centres: Tensor) -> float:
    return squared_distances(rows, centres).min(dim=1).values.double().sum().item()
