"""Own class among the nearest labelled images: what is compared, and how it varies."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.nn import functional

from contrascope.errors import InputError
from contrascope.linalg import require_finite, unit_rows

RANKS = 20
"""Neighbours that count, the first one twenty times as much as the last."""
LOOKED_AT = 3 * RANKS
"""Nearest images that are kept, so that those of a half are enough too: at least 20 of them but rarely."""
BLOCK = 1 << 22
"""Neighbours of random halves held at once."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What each labelled image finds among the others."""

    score: Float64[Tensor, " n"]
    """Share of its own class among its nearest, weight 1 / rank to rank 20, 0 to 1."""
    right: Float64[Tensor, " n"]
    """1 where its own class has the most of that weight, ties to the class of the lower code."""
    halved: Float64[Tensor, "splits n"]
    """The score among the images of its own half alone."""


def neighbour_precision(
    h: Float[Tensor, "n dim"], codes: Int[Tensor, " n"], half: Bool[Tensor, "splits n"]
) -> Precision:
    """Asks for every image how much of its own class is among its nearest others, by cosine.

    The score depends on the order of the neighbours alone, so no scale of the representation matters, and it varies
    less than right or wrong. Equal cosines: the earlier image first. `half` is that of `intervals.random_halves`.

    >>> h = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    >>> found = neighbour_precision(h, torch.tensor([0, 0, 1, 1]), torch.tensor([[True, True, False, False]]))
    >>> [round(value, 3) for value in found.score.tolist()], found.right.tolist()
    ([0.545, 0.545, 0.545, 0.545], [1.0, 1.0, 1.0, 1.0])
    """
    require_finite(h, "h")
    n = len(codes)
    if len(h) != n:
        raise InputError(f"{len(h)} rows for {n} labels; expected one row for every labelled image.")
    rows = unit_rows(h.detach().double().cpu())
    cosine = (rows @ rows.T).fill_diagonal_(-math.inf)
    near = cosine.argsort(dim=1, descending=True, stable=True)[:, : min(n - 1, LOOKED_AT)]
    same = (codes[near] == codes[:, None]).double()
    weight = 1 / torch.arange(1, near.shape[1] + 1, dtype=torch.float64)
    weight[RANKS:] = 0
    votes = weight @ functional.one_hot(codes[near]).double()
    return Precision(
        score=same @ (weight / weight.sum()),
        right=(votes.argmax(dim=1) == codes).double(),
        halved=_halved(near, same, weight, half),
    )


def _halved(
    near: Int[Tensor, "n near"],
    same: Float64[Tensor, "n near"],
    weight: Float64[Tensor, " near"],
    half: Bool[Tensor, "splits n"],
) -> Float64[Tensor, "splits n"]:
    scores, same, weight = [], same.float(), weight.float()
    for inside in half.split(max(1, BLOCK // near.numel())):
        kept = inside[:, near] == inside[:, :, None]
        counted = weight[(kept.cumsum(dim=2) - 1).clamp_min(0)] * kept
        scores.append((counted * same).sum(dim=2) / counted.sum(dim=2).clamp_min(1e-12))
    return torch.cat(scores).double()
