"""Votes of labelled images for the class of another: between neighbours and class centres, on no scale."""

import math

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from contrascope.linalg import require_finite, unit_rows

CHANCE = 0.5
"""Place of a class that nothing is known of."""


def image_votes(h: Float[Tensor, "n dim"]) -> Float64[Tensor, "n n"]:
    """Weight of image j when the class of image i is asked: exp(cosine / s_i), the largest 1, none for itself.

    s_i is the standard deviation of the cosines of i with the others. So the weights do not change when all cosines
    are scaled or shifted, as those of random networks are, which lie near 1. The nearest third of the images has most
    of the weight: more than neighbours alone, less than class means. Where all cosines are equal so are the weights.

    >>> image_votes(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))[0].argmax().item()
    1
    """
    require_finite(h, "h")
    rows = unit_rows(h.detach().double().cpu())
    n = len(rows)
    cosine = (rows @ rows.T).fill_diagonal_(-math.inf)
    others = cosine[~torch.eye(n, dtype=torch.bool)].view(n, n - 1)
    largest, spread = others.amax(dim=1, keepdim=True), others.std(dim=1, correction=0, keepdim=True)
    scaled = (cosine - largest) / spread.clamp_min(1e-9)
    scaled[(spread <= 1e-9).expand_as(scaled)] = 0.0
    return scaled.exp().fill_diagonal_(0.0)


def class_places(
    votes: Float64[Tensor, "*groups n classes"],
    codes: Int[Tensor, " n"],
    others: Float64[Tensor, "*groups n classes"],
) -> tuple[Float64[Tensor, "*groups n"], Float64[Tensor, "*groups n"]]:
    """Where an image's own class stands among the classes, by votes; and whether it stands first.

    The place is the share of the other classes that have fewer votes, ties half: 1 is first, 0 last, 0.5 chance. `others`
    counts the other labelled images of every class; classes without any are left out. An image that is alone in its
    class has place 0.5 and is not first.

    >>> votes = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]]).double()
    >>> [part.tolist() for part in class_places(votes, torch.tensor([0, 2]), torch.ones(2, 3).double())]
    [[1.0, 0.5], [1.0, 0.0]]
    """
    known = others > 0
    at = codes.expand(votes.shape[:-1])[..., None]
    own, alone = votes.gather(-1, at), ~known.gather(-1, at)[..., 0]
    fewer = ((votes < own) & known).sum(dim=-1)
    equal = ((votes == own) & known).sum(dim=-1) - 1
    rivals = known.sum(dim=-1) - 1
    place = torch.where(rivals > 0, (fewer + 0.5 * equal) / rivals.clamp_min(1), CHANCE)
    first = (fewer == rivals) & (rivals > 0)
    return place.masked_fill(alone, CHANCE).double(), (first & ~alone).double()
