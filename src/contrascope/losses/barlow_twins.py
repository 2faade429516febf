"""Barlow Twins: the cross-correlation of two views should be the identity."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.losses.pairs import Positives, off_diagonal, reduce_pairs
from contrascope.losses.registry import registered
from contrascope.losses.terms import LossTerms

_SMALLEST_VARIANCE = 1e-12
"""A dimension with less variance than this is divided by its square root: a constant one becomes zero."""


@registered(gathers=True)
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
    al. 2023, with C_ii up to (batch - 1) / batch. A constant dimension counts as C_ii = 0.
    Image n's share of the alignment is the sum over i of (1 - C_ii)(1 - z1_ni z2_ni), z standardised: its
    mean is exactly the on-diagonal term; a single share can be negative.

    >>> z = torch.tensor([[1.0], [-1.0]])
    >>> [barlow_twins(torch.stack([z, z]), std=std).total.item() for std in ("biased", "unbiased")]
    [0.0, 0.25]
    """
    if std not in ("biased", "unbiased"):
        raise InputError(f"std is {std!r}; expected 'biased' or 'unbiased'.")
    z = _standardise(online, unbiased=std == "unbiased")
    other = z if target is None else _standardise(target, unbiased=std == "unbiased")
    views = range(len(z))
    # C of the pair (b, a) is the transpose of C of (a, b) when both branches are the same: half the pairs do
    pairs = [(a, b) for a in views for b in views if a < b or (target is not None and a != b)]
    halves = [_pair_terms(z[a], other[b]) for a, b in pairs]
    spread = redundancy * torch.stack([spread for _, spread in halves]).mean()
    return LossTerms(
        align=reduce_pairs(torch.stack([align for align, _ in halves]), positives), spread=spread
    )


def _standardise(z: Float[Tensor, "views batch dim"], *, unbiased: bool) -> Float[Tensor, "views batch dim"]:
    variance, mean = torch.var_mean(z, dim=1, keepdim=True, correction=int(unbiased))
    return (z - mean) * variance.clamp_min(_SMALLEST_VARIANCE).rsqrt()


def _pair_terms(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, ""]]:
    correlation = z1.T @ z2 / len(z1)
    gap = 1 - correlation.diagonal()
    return (1 - z1 * z2) @ gap, off_diagonal(correlation).square().sum()
