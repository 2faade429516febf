"""Losses polynomial in the inner products: the spectral loss and the linear contrastive loss."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.losses.others import HALF_SQUARES, over_others
from contrascope.losses.pairs import (
    Positives,
    both_branches,
    flatten_pairs,
    pair_products,
    reduce_pairs,
    spread_pairs,
    spread_views,
)
from contrascope.losses.registry import Traits, registered
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive


@registered(gathers=True, example={"mu": 2.0}, traits=Traits(scale_free=False, flat_at_collapse=False))
def spectral(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    mu: float,
    positives: Positives = "average",
) -> LossTerms:
    """Spectral contrastive loss: -2 E[z . z+] + E[(z . z')^2], embeddings clipped to norm sqrt(mu), over mu.

    HaoChen et al. 2021 (arXiv:2106.04156, eq. 6) with the clipping of their code, which uses 1 for CIFAR and
    10 for ImageNet. Negatives are pairs of different images across the two views. At least -2 for mu = 1.

    >>> spectral(torch.eye(3).expand(2, 3, 3), mu=1.0).total.item()
    -2.0
    """
    require_positive(mu=mu)
    z = _clip(online, mu)
    other = z if target is None else _clip(target, mu)
    align = reduce_pairs(-2 * pair_products(z, other) / mu, positives, scale=1.0)
    z, other = spread_views(z, positives), spread_views(other, positives)
    across = 2 * over_others(z, other, HALF_SQUARES).mean(1) / (z.shape[1] - 1)  # views views
    return LossTerms(align=align, spread=spread_pairs(flatten_pairs(across[None]), positives).mean() / mu)


@registered(gathers=True, example={"centring": 1.5}, traits=Traits(over_pairs=False, flat_at_collapse=False))
def linear_contrastive(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    centring: float,
    positives: Positives = "average",
) -> LossTerms:
    """Linear contrastive loss: minus the cosine of positives plus `centring` times |mean embedding|^2.

    The simple loss of Huang et al. 2023 (arXiv:2111.00743); `centring` is their lambda. The mean is over all
    views of all images. It is InfoNCE at infinite temperature and asks for a zero mean only: two antipodal
    points reach its minimum -1.

    >>> antipodal = torch.tensor([[1.0], [-1.0]]).expand(2, 2, 1)
    >>> linear_contrastive(antipodal, centring=1.0).total.item()
    -1.0
    """
    z = unit(online)
    other = None if target is None else unit(target)
    align = reduce_pairs(-pair_products(z, z if other is None else other), positives, scale=1.0)
    near = None if other is None else spread_views(other, positives)
    mean = both_branches(spread_views(z, positives), near).mean((0, 1))
    return LossTerms(align=align, spread=centring * mean.square().sum())


def _clip(z: Float[Tensor, "views batch dim"], mu: float) -> Float[Tensor, "views batch dim"]:
    too_long = z.square().sum(-1, keepdim=True) > mu
    return torch.where(too_long, unit(z) * mu**0.5, z)
