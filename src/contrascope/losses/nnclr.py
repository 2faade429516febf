"""NNCLR: InfoNCE within a batch whose anchors stand for another view of the image."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.losses.others import LOG_SUM, over_others
from contrascope.losses.pairs import (
    Positives,
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


@registered(gathers=True, example={"temperature": 0.3}, traits=Traits(least=0.0))
def nnclr(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    temperature: float,
    positives: Positives = "average",
) -> LossTerms:
    """Cross-entropy of finding the image's own prediction among those of the batch, from a target of another view.

    Dwibedi et al. 2021 (arXiv:2104.14548, eq. 3), the mean over ordered pairs of views: `target` are neighbours n,
    `online` predictions p of another view, and n_i . p_i / temperature meets the log-sum-exp of n_i . p_j over all
    images j, i among them. Candidates are of one view, so there are `batch` of them. Embeddings are scaled to unit
    length here; the caller finds the neighbours and lets no gradient through. Above zero; equal embeddings give
    log(batch). `positives="worst"`: the spread is that of predictions of view 1 and targets of view 2.

    >>> nnclr(torch.ones(2, 4, 3), temperature=0.5).total.exp().round().item()
    4.0
    """
    require_positive(temperature=temperature)
    p = unit(online)
    anchors = p if target is None else unit(target)
    logits = pair_products(p, anchors) / temperature
    found = over_others(spread_views(anchors, positives) / temperature, spread_views(p, positives), LOG_SUM)
    others = flatten_pairs(found.permute(1, 2, 0))  # from target view, image, online view
    spread = torch.logaddexp(spread_pairs(others, positives), spread_pairs(logits, positives)).mean()
    return LossTerms(align=reduce_pairs(-logits, positives, scale=1 / temperature), spread=spread)
