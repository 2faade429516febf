"""Losses with a log-sum-exp over negatives: NT-Xent, InfoNCE with a queue, decoupled, modified InfoNCE."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.pairs import (
    Positives,
    own_positives,
    pair_products,
    pair_square_distances,
    reduce_pairs,
    spread_pairs,
    spread_views,
)
from contrascope.losses.registry import Traits, registered
from contrascope.losses.similarity import log_negatives, unit
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive


@registered(gathers=True, example={"temperature": 0.3}, traits=Traits(least=0.0))
def nt_xent(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    temperature: float,
    positives: Positives = "average",
) -> LossTerms:
    """NT-Xent of SimCLR (Chen et al. 2020, arXiv:2002.05709, eq. 1), the mean over all anchors.

    With m views it is the mean over ordered pairs of views of the loss on those two views alone: an anchor
    meets 2 batch - 1 candidates whatever m is. Embeddings are scaled to unit length here. Above zero; equal
    embeddings give log(2 batch - 1). With `target`, candidates are target embeddings, and the anchor's own
    view of its own image is left out.

    `positives="worst"` is ArCL as published (Zhao et al. 2023, arXiv:2303.01092, Algorithm 1): the positive
    is the least cosine of any two views, anchors are view 1, the denominator holds views 1 and 2, the cosine
    of view 1 with view 2 of its own image included. With two views that is NT-Xent from anchors of view 1.
    "average-asymmetric" is the same loss with the mean cosine over pairs of views in place of the least.

    >>> nt_xent(torch.ones(2, 4, 3), temperature=0.5).total.exp().round().item()
    7.0
    """
    require_positive(temperature=temperature)
    z = unit(online)
    candidates = z if target is None else unit(target)
    logits = pair_products(z, candidates) / temperature
    negatives = _negatives(z / temperature, candidates, positives)
    spread = torch.logaddexp(negatives, spread_pairs(logits, positives)).mean()
    return LossTerms(align=reduce_pairs(-logits, positives, scale=1 / temperature), spread=spread)


@registered(gathers=True, example={"temperature": 0.3})
def decoupled(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    temperature: float,
    positives: Positives = "average",
) -> LossTerms:
    """NT-Xent whose denominator holds no positive: both views of the other images only.

    Decoupled contrastive learning (Yeh et al. 2022, arXiv:2110.06848), and what Cosentino et al. call
    InfoNCE, taken over both directions. Can be negative; equal embeddings give log(2(batch - 1)).

    >>> decoupled(torch.ones(2, 4, 3), temperature=0.5).total.exp().round().item()
    6.0
    """
    require_positive(temperature=temperature)
    z = unit(online)
    candidates = z if target is None else unit(target)
    logits = pair_products(z, candidates) / temperature
    spread = _negatives(z / temperature, candidates, positives).mean()
    return LossTerms(align=reduce_pairs(-logits, positives, scale=1 / temperature), spread=spread)


@registered(gathers=True, example={"temperature": 0.3, "repulsion": 0.7})
def modified_info_nce(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    temperature: float,
    repulsion: float,
    positives: Positives = "average",
) -> LossTerms:
    """Squared distance of unit positives plus `repulsion` times the log-sum-exp over negatives alone.

    Huang et al. 2023 (arXiv:2111.00743), the variant whose alignment has no temperature; `repulsion` is
    their lambda. Negatives of an anchor: both views of the other images, summed and not averaged.
    Equal embeddings give repulsion (1 / temperature + log(2(batch - 1))).

    >>> modified_info_nce(torch.ones(2, 4, 3), temperature=1.0, repulsion=1.0).align.tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    require_positive(temperature=temperature)
    z = unit(online)
    candidates = z if target is None else unit(target)
    align = pair_square_distances(z, candidates)
    spread = repulsion * _negatives(z / temperature, candidates, positives).mean()
    return LossTerms(align=reduce_pairs(align, positives, scale=1.0), spread=spread)


@registered(gathers=False, example={"temperature": 0.3}, traits=Traits(flat_at_collapse=False, least=0.0))
def info_nce_queue(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    queue: Float[Tensor, "size dim"],
    temperature: float,
    positives: Positives = "average",
) -> LossTerms:
    """InfoNCE of MoCo (He et al. 2020, arXiv:1911.05722, eq. 1): negatives come from a queue of old keys.

    Queries are online views, keys are target views; averaged over both directions, where MoCo v2 takes one.
    Queries, keys and queue are scaled to unit length here; the positive is in the denominator. Above zero;
    equal embeddings and queue give log(1 + size).

    `positives="worst"`: the positive, in numerator and denominator, is the least product of a query with a
    key of another view; the query of view 1 meets the queue. Zhao et al. 2023 (arXiv:2303.01092) train MoCo
    so without writing the loss down; this is our reading. "average-asymmetric": the mean of these products instead.

    >>> terms = info_nce_queue(torch.ones(2, 4, 3), queue=torch.ones(6, 3), temperature=0.5)
    >>> terms.total.exp().round().item()
    7.0
    """
    require_positive(temperature=temperature)
    if queue.ndim != 2 or len(queue) < 1 or queue.shape[1] != online.shape[2]:
        raise InputError(
            f"info_nce_queue got a queue of shape {tuple(queue.shape)}; "
            f"expected (size, {online.shape[2]}) with size >= 1."
        )
    z = unit(online)
    keys = z if target is None else unit(target)
    logits = pair_products(z, keys) / temperature
    old_keys = unit(at_least_single(queue).to(z.dtype))
    queries = spread_views(z / temperature, positives)
    negatives = (queries @ old_keys.T).logsumexp(-1).repeat_interleave(len(queries) - 1, dim=0)
    align = reduce_pairs(-logits, positives, scale=1 / temperature)
    spread = torch.logaddexp(
        spread_pairs(negatives, positives), own_positives(logits, align, positives)
    ).mean()
    return LossTerms(align=align, spread=spread)


def _negatives(scaled: Tensor, candidates: Tensor, positives: Positives) -> Tensor:
    """`log_negatives` of the pairs of views that the spread looks at."""
    every = log_negatives(spread_views(scaled, positives), spread_views(candidates, positives))
    return spread_pairs(every, positives)
