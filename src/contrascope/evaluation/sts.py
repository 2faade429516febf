"""Semantic textual similarity: Spearman's correlation of cosines with people's scores, and how subsets are joined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor

from contrascope.errors import InputError
from contrascope.evaluation.sts_settings import AGGREGATIONS
from contrascope.intervals import Estimate, generator, percentile_interval
from contrascope.linalg import unit_rows
from contrascope.theory.factors.uniformity import uniformity


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredPairs:
    """Pairs of sentences with a score each."""

    name: str
    """The set."""
    first: list[str]
    second: list[str]
    scores: Float[Tensor, " n"]
    """What people gave, 0 to 5."""
    subsets: list[str]
    """The part of the set that each pair is of."""


def cosines(first: Float[Tensor, "n dim"], second: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
    """The cosine of each pair; 0 where one is the zero vector.

    >>> cosines(torch.eye(2), torch.tensor([[2.0, 0.0], [1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    return (unit_rows(first.double()) * unit_rows(second.double())).sum(1)


ALIKE = 4.0
"""Score from which a pair counts as positive."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where an encoder lies between alignment and uniformity, on scored pairs."""

    alignment: float | None
    """Mean squared distance of the unit rows of pairs with a score of 4 or more; None where there is no such pair."""
    uniformity: float
    """Of the unit rows of all different sentences; lower is more even."""


def placed(first: Float[Tensor, "n dim"], second: Float[Tensor, "n dim"], pairs: ScoredPairs) -> Placed:
    """Alignment of pairs that people call alike, and uniformity of all sentences (Gao et al. 2021, equations 2 and 3).

    Both of unit rows. A sentence that comes several times counts once for the uniformity.
    """
    near = pairs.scores >= ALIKE
    one, other = (unit_rows(each.double()) for each in (first, second))
    apart = (one - other).square().sum(1)[near]
    texts = {text: place for place, text in enumerate((*pairs.first, *pairs.second))}
    rows = torch.cat([one, other])[torch.tensor(sorted(texts.values()))]
    return Placed(alignment=float(apart.mean()) if len(apart) else None, uniformity=uniformity(rows).value)


def spearman(one: Float[Tensor, " n"], other: Float[Tensor, " m"]) -> float:
    """Spearman's correlation, ties at their mean rank; in [-1, 1], 0 where one side has a single value.

    >>> round(spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 2.0])), 9)
    0.5
    """
    if len(one) != len(other) or len(one) < 2:
        raise InputError(
            f"spearman got {len(one)} and {len(other)} numbers; expected two or more, as many on both sides."
        )
    return float(_correlations(one.double().numpy()[None], other.double().numpy()[None])[0])


def joined(
    similarity: Float[Tensor, " n"], scores: Float[Tensor, " n"], subsets: Sequence[str], *, how: str
) -> float:
    """The correlation of a set under one of `AGGREGATIONS`.

    >>> x, y = torch.tensor([1.0, 2.0, 1.0, 2.0]), torch.tensor([1.0, 2.0, 4.0, 3.0])
    >>> [joined(x, y, ["a", "a", "b", "b"], how=how) for how in ("mean", "wmean")]
    [0.0, 0.0]
    """
    if how not in AGGREGATIONS:
        raise InputError(f"there is no aggregation {how!r}; expected one of {', '.join(AGGREGATIONS)}.")
    if how == "all":
        return spearman(similarity, scores)
    codes = np.unique(np.asarray(subsets), return_inverse=True)[1]
    values, sizes = [], []
    for code in range(codes.max() + 1):
        rows = torch.from_numpy(codes == code)
        values.append(spearman(similarity[rows], scores[rows]))
        sizes.append(int(rows.sum()))
    weights = np.asarray(sizes if how == "wmean" else np.ones(len(sizes)), dtype=np.float64)
    return float(np.average(values, weights=weights))


def spearman_estimate(
    similarity: Float[Tensor, " n"],
    scores: Float[Tensor, " n"],
    *,
    draws: int = 500,
    seed: int = 0,
    key: str = "",
) -> Estimate:
    """Spearman's correlation over all pairs with its 95 % bootstrap interval, pairs drawn with replacement.

    Without draws the interval is a point.
    """
    value = spearman(similarity, scores)
    if draws == 0:
        return Estimate(value=value, low=value, high=value)
    low, high = percentile_interval(torch.from_numpy(_resampled(similarity, scores, draws, seed, key)))
    return Estimate(value=value, low=low, high=high)


def gain_estimate(
    similarity: Float[Tensor, " n"],
    reference: Float[Tensor, " n"],
    scores: Float[Tensor, " n"],
    *,
    draws: int = 500,
    seed: int = 0,
    key: str = "",
) -> Estimate:
    """How much higher the correlation is than that of a reference on the same pairs, with its paired interval."""
    value = spearman(similarity, scores) - spearman(reference, scores)
    if draws == 0:
        return Estimate(value=value, low=value, high=value)
    one, other = (_resampled(each, scores, draws, seed, key) for each in (similarity, reference))
    low, high = percentile_interval(torch.from_numpy(one - other))
    return Estimate(value=value, low=low, high=high)


def _resampled(similarity: Tensor, scores: Tensor, draws: int, seed: int, key: str) -> np.ndarray:
    """The correlation of each bootstrap draw; equal seeds and keys draw equal pairs."""
    source, n = generator(seed, "pairs", key), len(scores)
    x, y = similarity.double().numpy(), scores.double().numpy()
    found = []
    for start in range(0, draws, 50):
        rows = torch.randint(n, (min(50, draws - start), n), generator=source).numpy()
        found.append(_correlations(x[rows], y[rows]))
    return np.concatenate(found)


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row."""
    x, y = (rankdata(each, axis=1) for each in (one, other))
    x, y = (each - each.mean(axis=1, keepdims=True) for each in (x, y))
    scale = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return np.divide((x * y).sum(1), scale, out=np.zeros(len(x)), where=scale > 0)
