"""Own class among the nearest labelled images: what is compared, and how it varies."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import require_finite, unit_rows

POWER = 0.75
"""The neighbour of rank r counts r^-POWER: a larger one follows kNN more closely and varies more."""
TIE = 1e-6
"""Cosines that are rounded to the same multiple are equal: what collapsed features differ by is rounding alone."""
VOTERS = 5
"""Neighbours that put an image into a class, by votes of 1 / rank."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What each labelled image finds among the others."""

    score: Float64[Tensor, " n"]
    """Share of its own class among the others, weight rank^-0.75, 0 to 1."""
    given: Float64[Tensor, "n n"]
    """What the score of image i loses when image j is taken from its neighbours and farther ones move up."""
    right: Float64[Tensor, " n"]
    """1 where its own class has the most votes of its five nearest, ties to the class of the lower code."""


def neighbour_precision(h: Float[Tensor, "n dim"], codes: Int[Tensor, " labels"]) -> Precision:
    """Asks for every image how much of its own class is among the others, nearer ones (by cosine) counting more.

    The score depends on the order of the neighbours alone, so no scale of the representation matters, and it varies
    less than right or wrong. Equal cosines: the earlier image first.

    >>> h = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    >>> found = neighbour_precision(h, torch.tensor([0, 0, 1, 1]))
    >>> [round(value, 3) for value in found.score.tolist()], found.right.tolist()
    ([0.492, 0.492, 0.492, 0.492], [1.0, 1.0, 1.0, 1.0])
    """
    require_finite(h, "h")
    n = len(codes)
    if len(h) != n:
        raise InputError(f"{len(h)} rows for {n} labels; expected one row for every labelled image.")
    rows = unit_rows(h.detach().double().cpu())
    cosine = (rows @ rows.T / TIE).round().fill_diagonal_(-math.inf)
    near = cosine.argsort(dim=1, descending=True, stable=True)[:, :-1]
    same = (codes[near] == codes[:, None]).double()
    weight = torch.arange(1, n, dtype=torch.float64) ** -POWER
    weight = weight / weight.sum()
    votes = torch.zeros(n, int(codes.max()) + 1, dtype=torch.float64)
    voters = codes[near[:, :VOTERS]]
    votes.scatter_add_(1, voters, (1 / torch.arange(1, voters.shape[1] + 1).double()).expand(voters.shape))
    step = torch.zeros_like(same)  # what each farther neighbour gains when a nearer one is taken away
    step[:, 1:] = same[:, 1:] * (weight[:-1] - weight[1:])
    farther = step.sum(dim=1, keepdim=True) - step.cumsum(dim=1)
    given = torch.zeros(n, n, dtype=torch.float64).scatter_(1, near, weight * same - farther)
    return Precision(score=same @ weight, given=given, right=(votes.argmax(dim=1) == codes).double())


def mean_difference(one: Precision, other: Precision) -> tuple[float, float]:
    """Mean difference of the scores, and its standard error: every image counts as one that asks and as a neighbour.

    By leaving out each image once, in closed form. What pairs of images do together is counted twice so; it is taken
    off once (Efron and Stein 1981, section 4). The error is within 10 % of the true one from 40 images on.
    """
    score, given, n = one.score - other.score, one.given - other.given, len(one.score)
    effect = score + given.sum(dim=0)
    pair = given + given.T
    rows, mean = pair.sum(dim=1) / (n - 1), pair.sum() / (n * (n - 1))
    together = (pair - rows[:, None] - rows + mean).fill_diagonal_(0.0)
    variance = effect.var(correction=0).item() / (n - 1) - together.square().sum().item() / (2 * n * n)
    return score.mean().item(), math.sqrt(max(variance, score.var(correction=0).item() / n))
