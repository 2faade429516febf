"""How much of an embedding is explained by trivial statistics of the image: regression and retrieval."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.diagnosis.statistics import polynomial
from contrascope.diagnosis.trivial import folds_of, predicted
from contrascope.errors import InputError
from contrascope.intervals import (
    NORMAL_95,
    Estimate,
    grouped_estimate,
    halves_error,
    random_halves,
)
from contrascope.linalg import nearest, unit_rows

LEAST = 8
"""Images that a regression needs."""
CANDIDATES = 16
"""Nearest images among which the nearest one of the same half is looked for."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """What trivial statistics explain of an embedding."""

    explained: Estimate
    """Held-out share of the embedding's variance that a quadratic function of the statistics predicts, at most 1."""
    retrieval: Estimate
    """Mean rank, in the statistics' space, of an image's nearest neighbour in the embedding: 0 nearest, 0.5 chance."""


def shortcut(
    h: Float[Tensor, "n dim"],
    statistics: Float[Tensor, "rows statistics"],
    *,
    draws: int = 0,
    seed: int = 0,
) -> Shortcut:
    """Regression and retrieval of unit rows of `h` against image statistics, one row an image.

    The explained share is 1 - SSE / SST over images that the regression did not see (`trivial.predicted`); it
    may be negative where nothing is explained, and it is 0 for a constant embedding. The intervals are over
    images: the regression is repeated, and an image counts as a neighbour too.
    """
    if len(h) != len(statistics) or len(h) < LEAST:
        raise InputError(
            f"got {len(h)} embeddings and {len(statistics)} rows of statistics; expected as many of each, "
            f"and at least {LEAST}. Give one row an image."
        )
    rows = unit_rows(h).double()
    fold = folds_of(len(rows), seed=seed)
    penalty = predicted(rows[None], statistics[None], fold=fold).penalty

    def explained(kept: Tensor) -> float:
        """Of these images."""
        return _explained(rows[kept], statistics[kept], penalty, fold[kept])

    half = random_halves(len(h))
    rank, halved = _neighbour_rank(h, statistics, half)
    value, reach = float(rank.mean()), NORMAL_95 * halves_error(halved, half) if draws else 0.0
    return Shortcut(
        explained=grouped_estimate(explained, len(rows), draws=draws, within=(-math.inf, 1.0)),
        retrieval=Estimate(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach)),
    )


def _explained(rows: Tensor, statistics: Tensor, penalty: float, fold: Tensor) -> float:
    """1 - SSE / SST of rows that the regression on the other folds did not see; 0 for constant rows."""
    total = (rows - rows.mean(dim=0)).square().sum()
    if total <= 1e-12 * len(rows):
        return 0.0
    guess = predicted(rows[None], statistics[None], penalties=(penalty,), fold=fold).rows[0]
    return float(1 - (guess - rows).square().sum() / total)


def _neighbour_rank(h: Tensor, statistics: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """For each image: which share of the others is closer in statistics than its neighbour in the embedding.

    Of the neighbour among all images [n], and of the one in its own half [splits n], among its `CANDIDATES` nearest.
    Ties count half, so that a constant embedding or constant statistics stand at chance or below certainty.
    """
    unit = polynomial(statistics)[:, : statistics.shape[1]].float()
    near = nearest(
        h.float(), h.float(), min(CANDIDATES, len(h) - 1), metric="cosine", exclude_self=True
    ).index
    ranks = torch.empty(near.shape, dtype=torch.float64)
    for start in range(0, len(h), 1024):
        here = torch.arange(start, min(start + 1024, len(h)))
        distance = torch.cdist(unit[here], unit, compute_mode="donot_use_mm_for_euclid_dist")
        for place in range(near.shape[1]):
            mine = distance.gather(1, near[here, place, None])
            closer = (distance < mine).sum(dim=1) - (mine[:, 0] > 0).long()  # the image itself, at distance 0
            equal = (distance == mine).sum(dim=1) - 1 - (mine[:, 0] == 0).long()
            ranks[here, place] = (closer.double() + equal.double() / 2) / max(1, len(h) - 2)
    same = half[:, near] == half[:, :, None]
    return ranks[:, 0], ranks.expand(len(half), -1, -1).gather(2, same.int().argmax(dim=2)[:, :, None])[
        :, :, 0
    ]
