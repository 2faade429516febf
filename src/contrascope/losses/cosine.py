"""Losses without negatives: SimSiam's negative cosine, and squared distances of unit vectors."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.losses.pairs import Positives, pair_products, reduce_pairs
from contrascope.losses.registry import Traits, registered
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms


@registered(gathers=False, traits=Traits(least=-1.0))
def negative_cosine(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    positives: Positives = "average",
) -> LossTerms:
    """Minus the cosine of online and target views, in [-1, 1]; 0 where a vector is zero. No spread.

    The symmetrised loss of SimSiam (Chen and He 2021, arXiv:2011.10566, eq. 2). The caller detaches `target`.

    >>> negative_cosine(torch.ones(2, 4, 1)).total.item()
    -1.0
    """
    align = -_cosines(online, target)
    return LossTerms(align=reduce_pairs(align, positives, scale=1.0), spread=align.new_zeros(()))


@registered(gathers=False, traits=Traits(least=0.0))
def unit_distance(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    positives: Positives = "average",
) -> LossTerms:
    """Squared distance of unit vectors, 2 - 2 cosine, in [0, 4]; the mean over ordered pairs of views. No spread.

    The loss of W-MSE (Ermolov et al. 2021, arXiv:2007.06346, eq. 1) on embeddings that were whitened; half of `byol`.
    Embeddings without relation give 2.

    >>> unit_distance(torch.tensor([[[1.0, 0.0]], [[0.0, 3.0]]])).total.item()
    2.0
    """
    align = 2 - 2 * _cosines(online, target)
    return LossTerms(align=reduce_pairs(align, positives, scale=2.0), spread=torch.zeros_like(align[0, 0]))


@registered(gathers=False, traits=Traits(least=0.0))
def byol(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    positives: Positives = "average",
) -> LossTerms:
    """Squared distance of unit vectors, the two directions added as published, in [0, 8]. No spread.

    BYOL (Grill et al. 2020, arXiv:2006.07733, eq. 2 and the symmetrised loss after it): twice the average of
    2 - 2 cosine over ordered pairs of views. The caller detaches `target`.

    >>> opposite = torch.stack([torch.ones(4, 1), -torch.ones(4, 1)])
    >>> byol(opposite).total.item()
    8.0
    """
    cosine = _cosines(online, target)
    return LossTerms(
        align=reduce_pairs(4 - 4 * cosine, positives, scale=4.0), spread=torch.zeros_like(cosine[0, 0])
    )


def _cosines(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"] | None
) -> Float[Tensor, "pairs batch"]:
    """Cosines of all ordered pairs, none above 1 by rounding; the gradient is that of the cosine there too."""
    found = pair_products(unit(online), unit(online if target is None else target))
    return found - (found.detach() - 1).clamp_min(0)
