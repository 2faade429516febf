"""InfoNCE over the images of a batch: the candidates of an anchor are those of one other view, and hard negatives."""

import math

from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.others import LOG_SUM, over_others
from contrascope.losses.pairs import (
    Positives,
    flatten_pairs,
    own_positives,
    pair_products,
    reduce_pairs,
    spread_pairs,
    spread_views,
)
from contrascope.losses.registry import Traits, registered
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive


@registered(gathers=True, example={"temperature": 0.3}, traits=Traits(least=0.0))
def info_nce(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    temperature: float,
    hard: Float[Tensor, "candidates width"] | None = None,
    hard_weight: float = 1.0,
    positives: Positives = "average",
) -> LossTerms:
    """Softmax over `batch` candidates: an anchor of view a meets view b of every image, its own among them.

    The mean over ordered pairs of views (a, b). In one direction alone, as `positives="average-asymmetric"` takes it,
    it is SimCSE's (Gao et al. 2021, arXiv:2104.08821, eq. 1): anchors are view 1, candidates view 2. Above zero; equal
    embeddings give log batch, where `nt_xent` gives log(2 batch - 1).

    `hard`: one more candidate an image for every anchor, which is no positive of any (a contradiction): SimCSE's
    supervised loss (eq. 5), 2 batch candidates. `hard_weight`, its alpha, multiplies the anchor's own one.

    >>> import torch
    >>> info_nce(torch.ones(2, 4, 3), temperature=0.05).total.exp().round().item()
    4.0
    >>> info_nce(torch.ones(2, 4, 3), hard=torch.ones(4, 3), temperature=0.05).total.exp().round().item()
    8.0
    """
    require_positive(temperature=temperature)
    z = unit(online)
    candidates = z if target is None else unit(target)
    logits = pair_products(z, candidates) / temperature
    anchors = spread_views(z / temperature, positives)
    others = flatten_pairs(over_others(anchors, spread_views(candidates, positives), LOG_SUM).transpose(0, 1))
    align = reduce_pairs(-logits, positives, scale=1 / temperature)
    spread = spread_pairs(others, positives).logaddexp(own_positives(logits, align, positives))
    if hard is not None:
        rest = _hard(anchors, hard, hard_weight).repeat_interleave(len(anchors) - 1, dim=0)
        spread = spread.logaddexp(spread_pairs(rest, positives))
    return LossTerms(align=align, spread=spread.mean())


def _hard(anchors: Tensor, hard: Tensor, weight: float) -> Float[Tensor, "views batch"]:
    """Log of the summed similarity of each anchor to the hard candidates."""
    require_positive(hard_weight=weight)
    if hard.shape != anchors.shape[1:]:
        raise InputError(
            f"info_nce got hard candidates of shape {tuple(hard.shape)}; expected one an image: "
            f"{tuple(anchors.shape[1:])}."
        )
    products = anchors @ unit(at_least_single(hard).to(anchors.dtype)).T
    return (products + products.new_ones(len(hard)).diag() * math.log(weight)).logsumexp(-1)
