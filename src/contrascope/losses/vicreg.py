"""VICReg, in the two conventions that differ: the authors' code and the paper's equations."""

from jaxtyping import Float
from torch import Tensor

from contrascope.losses.pairs import (
    Positives,
    both_branches,
    farthest_views,
    off_diagonal,
    pair_square_distances,
    reduce_pairs,
    spread_views,
)
from contrascope.losses.registry import Traits, registered
from contrascope.losses.terms import LossTerms

TRAITS = Traits(scale_free=False, rotation_free=False, flat_at_collapse=False, least=0.0)
"""Variances and covariances are of dimensions, on their own scale."""


@registered(gathers=True, traits=TRAITS)
def vicreg(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    eps: float = 1e-4,
    positives: Positives = "average",
) -> LossTerms:
    """VICReg as in the authors' code: distance averaged over dimensions, variance halved, covariance not.

    Bardes et al. 2022 (arXiv:2105.04906), main_vicreg.py of their code. The variance term is the mean over
    views, the covariance term twice the mean over views: with two views, the sum. Zero or above; a collapsed
    batch gives variance (1 - sqrt(eps)).

    `positives="worst"` is this loss on the two views of each image that are farthest apart, variance and
    covariance included; under "worst-symmetric" these two are of all views, under "average-asymmetric" of two.

    >>> import torch
    >>> round(vicreg(torch.ones(2, 4, 3)).total.item(), 4)
    24.75
    """
    online, target = _farthest(online, target, positives)
    mean_square = pair_square_distances(online, online if target is None else target) / online.shape[2]
    hinge, redundancy = _spread_halves(_spread_rows(online, target, positives), eps=eps)
    align = reduce_pairs(invariance * mean_square, positives)
    return LossTerms(align=align, spread=variance * hinge + 2 * covariance * redundancy)


@registered(gathers=True, traits=TRAITS)
def vicreg_paper(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    eps: float = 1e-4,
    positives: Positives = "average",
) -> LossTerms:
    """VICReg as in the paper's equations: distance summed over dimensions, nothing halved.

    Bardes et al. 2022 (arXiv:2105.04906, eqs. 1 to 6). Other values than `vicreg` from the same embeddings;
    a collapsed batch gives 2 variance (1 - sqrt(eps)). `positives` as in `vicreg`.

    >>> import torch
    >>> round(vicreg_paper(torch.ones(2, 4, 3)).total.item(), 4)
    49.5
    """
    online, target = _farthest(online, target, positives)
    square = pair_square_distances(online, online if target is None else target)
    hinge, redundancy = _spread_halves(_spread_rows(online, target, positives), eps=eps)
    align = reduce_pairs(invariance * square, positives)
    return LossTerms(align=align, spread=2 * variance * hinge + 2 * covariance * redundancy)


def _farthest(online: Tensor, target: Tensor | None, positives: Positives) -> tuple[Tensor, Tensor | None]:
    other = online if target is None else target
    return farthest_views(online, target, lambda: pair_square_distances(online, other), positives)


def _spread_rows(online: Tensor, target: Tensor | None, positives: Positives) -> Tensor:
    """The views whose variance and covariance count; what `worst` chose are two already."""
    other = None if target is None else spread_views(target, positives)
    return both_branches(spread_views(online, positives), other)


def _spread_halves(
    z: Float[Tensor, "views batch dim"], *, eps: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean over views of the hinge on the standard deviation, and of the squared off-diagonal covariances."""
    _, batch, dim = z.shape
    centred = z - z.mean(dim=1, keepdim=True)
    std = (centred.square().sum(1) / (batch - 1) + eps).sqrt()
    covariance = centred.mT @ centred / (batch - 1)
    return (1 - std).relu().mean(), off_diagonal(covariance).square().sum((-2, -1)).mean() / dim
