"""t-MoCo: the heavy-tailed kernel of t-SimCLR with negatives from a queue."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.pairs import (
    Positives,
    own_positives,
    pair_square_distances,
    reduce_pairs,
    spread_pairs,
    spread_views,
)
from contrascope.losses.registry import Traits, registered
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive


@registered(
    gathers=False,
    example={"temperature": 5.0, "degrees": 10.0},
    traits=Traits(scale_free=False, flat_at_collapse=False, least=0.0),
)
def t_moco(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    queue: Float[Tensor, "size dim"],
    temperature: float,
    degrees: float,
    positives: Positives = "average",
) -> LossTerms:
    """Minus the log kernel of query and key plus the log of its sum over the key and a queue of old keys.

    Hu et al. 2023 (arXiv:2205.14814) as in their t-MoCo: the kernel k is Student's of plain distances, as in
    `t_simclr`, and each query has a denominator of its own, k(query, key) + sum of k(query, old key). Averaged over
    ordered pairs of views, where the code takes one direction. Nothing is scaled here; the method standardises each
    number of the embeddings over the batch. Above zero; equal embeddings and queue give log(1 + size).

    >>> terms = t_moco(torch.ones(2, 4, 3), queue=torch.ones(6, 3), temperature=5.0, degrees=10.0)
    >>> terms.total.exp().round().item()
    7.0
    """
    require_positive(temperature=temperature, degrees=degrees)
    if queue.ndim != 2 or len(queue) < 1 or queue.shape[1] != online.shape[2]:
        raise InputError(
            f"t_moco got a queue of shape {tuple(queue.shape)}; expected (size, {online.shape[2]})."
        )
    keys, old = online if target is None else target, at_least_single(queue).to(online.dtype)
    power, scale = (degrees + 1) / 2, degrees * temperature
    costs = power * torch.log1p(pair_square_distances(online, keys) / scale)
    queries = spread_views(online, positives)
    distances = torch.cdist(queries, old[None], compute_mode="donot_use_mm_for_euclid_dist")
    others = (-power * torch.log1p(distances.square() / scale)).logsumexp(-1)
    others = others.repeat_interleave(len(queries) - 1, dim=0)
    align = reduce_pairs(costs, positives)
    spread = torch.logaddexp(spread_pairs(others, positives), own_positives(-costs, align, positives)).mean()
    return LossTerms(align=align, spread=spread)
