"""Barlow Twins: the cross-correlation of two views should be the identity."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from contrascope.errors import InputError
from contrascope.losses.blocks import over_blocks
from contrascope.losses.pairs import (
    Positives,
    farthest_views,
    off_diagonal,
    pair_square_distances,
    spread_views,
)
from contrascope.losses.registry import Traits, registered
from contrascope.losses.terms import LossTerms

_SMALLEST_VARIANCE = 1e-12
"""A dimension with less variance than this is divided by its square root: a constant one becomes zero."""


@registered(
    gathers=True, per_dimension=True, example={"std": "biased"}, traits=Traits(rotation_free=False, least=0.0)
)
def barlow_twins(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    std: Literal["biased", "unbiased"],
    redundancy: float = 5e-3,
    positives: Positives = "average",
) -> LossTerms:
    """Cross-correlation loss: sum of (1 - C_ii)^2 plus `redundancy` times the sum of C_ij^2 over i != j.

    Zbontar et al. 2021 (arXiv:2103.03230, eq. 1). Always C is divided by the batch size; `std` names the
    standardisation: "biased" is batch norm's, with C_ii up to 1; "unbiased" is that of the code of Huang et
    al. 2023, with C_ii up to (batch - 1) / batch. Batch norm adds 1e-5 to the variance, here nothing is added: a
    nearly constant dimension counts as any other, where batch norm takes its C_ii towards 0. The floor is 1e-12: less
    variance than that counts as that much, so that a constant dimension has C_ii = 0.
    Image n's share of the alignment is the sum over i of (1 - C_ii)(1 - z1_ni z2_ni), z standardised: its
    mean is exactly the on-diagonal term; a single share can be negative.

    C is a mean over images, so no image has a worst pair of its own in the loss. `positives="worst"`: the
    loss on the two views of each image that are farthest apart once every view is standardised;
    "worst-symmetric": on these in both orders, 2 batch rows. "soft-worst" is refused. "average-asymmetric":
    the on-diagonal term is the mean over pairs of views, the rest is of views 1 and 2.

    >>> z = torch.tensor([[1.0], [-1.0]])
    >>> [barlow_twins(torch.stack([z, z]), std=std).total.item() for std in ("biased", "unbiased")]
    [0.0, 0.25]
    """
    if std not in ("biased", "unbiased"):
        raise InputError(f"std is {std!r}; expected 'biased' or 'unbiased'.")
    unbiased, batch = std == "unbiased", online.shape[1]

    def distances() -> Tensor:
        z = _standardise(online, unbiased=unbiased)
        return pair_square_distances(z, z if target is None else _standardise(target, unbiased=unbiased))

    near, other = farthest_views(online, target, distances, positives, per_dimension=True)
    z = _standardise(near, unbiased=unbiased)
    align, off = _terms(z, None if other is None else _standardise(other, unbiased=unbiased), positives)
    return LossTerms(align=align.view(-1, batch).mean(0), spread=redundancy * off)


def _standardise(z: Float[Tensor, "views batch dim"], *, unbiased: bool) -> Float[Tensor, "views batch dim"]:
    variance, mean = torch.var_mean(z, dim=1, keepdim=True, correction=int(unbiased))
    return (z - mean) * variance.clamp_min(_SMALLEST_VARIANCE).rsqrt()


def _terms(
    z: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"] | None, positives: Positives
) -> tuple[Float[Tensor, " batch"], Float[Tensor, ""]]:
    """Both halves, each a mean over ordered pairs of views."""
    other, views = z if target is None else target, range(len(z))
    # C of the pair (b, a) is the transpose of C of (a, b) when both branches are the same: half the pairs do
    pairs = [(a, b) for a in views for b in views if a < b or (target is not None and a != b)]
    if len(z) == 2:
        halves = [_pair_terms(z[a], other[b]) for a, b in pairs]
        return torch.stack([one for one, _ in halves]).mean(0), torch.stack([two for _, two in halves]).mean()
    # made again in the backward pass: kept for all pairs it would be m^2 embeddings
    parts = [
        checkpoint(_on_diagonal, z[a], other[b], use_reentrant=False, preserve_rng_state=False)
        for a, b in pairs
    ]
    align = torch.stack([share for share, _ in parts]).mean(0)
    near = spread_views(z, positives)
    if len(near) == 2:
        return align, _terms(near, None if target is None else spread_views(target, positives), positives)[1]
    return align, _mean_square_correlation(z, other) - torch.stack([square for _, square in parts]).mean()


def _pair_terms(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, ""]]:
    correlation = z1.T @ z2 / len(z1)
    gap = 1 - correlation.diagonal()
    return (1 - z1 * z2) @ gap, off_diagonal(correlation).square().sum()


def _on_diagonal(z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
    """The images' shares of one pair of views, and the sum of its C_ii^2."""
    products = z1 * z2
    diagonal = products.mean(0)
    return (1 - products) @ (1 - diagonal), diagonal.square().sum()


def _mean_square_correlation(z: Tensor, other: Tensor) -> Tensor:
    """Mean over ordered pairs of views of the sum of all C_ij^2, by m Gram matrices instead of m^2 times C.

    The sum of C_ij^2 of views a and b is the inner product of their Gram matrices over batch^2.
    """
    views, batch, _ = z.shape
    total = over_blocks(_gram_products, z, z, other, per_image=views * batch).sum()
    return total / (batch**2 * views * (views - 1))


def _gram_products(first: int, rows: Tensor, z: Tensor, other: Tensor) -> Tensor:
    """Inner products of the Gram matrices of all pairs of different views, rows `first` and on."""
    grams = rows @ z.mT
    others = grams if other is z else other[:, first : first + rows.shape[1]] @ other.mT
    return (grams.sum(0) * others.sum(0)).sum() - (grams * others).sum()
