"""MeanShift: distances to the nearest of a queue."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.pairs import Positives, pair_products, reduce_pairs
from contrascope.losses.registry import Traits, registered
from contrascope.losses.similarity import nearest_places, unit
from contrascope.losses.terms import LossTerms


@registered(gathers=False, example={"neighbours": 3}, traits=Traits(flat_at_collapse=False, least=0.0))
def mean_shift(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    queue: Float[Tensor, "size dim"],
    neighbours: int,
    positives: Positives = "average",
) -> LossTerms:
    """Mean of 2 - 2 cosine of a prediction with the `neighbours` embeddings nearest to the target of another view.

    Koohpayegani et al. 2021 (arXiv:2105.07269, section 3), the mean over ordered pairs of views, in [0, 4]. The nearest
    is the target itself, the others are old embeddings of the queue: with one neighbour it is `unit_distance`. No
    spread. All are scaled to unit length here; no gradient flows through the search. The caller detaches `target`.

    >>> queue = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    >>> mean_shift(torch.tensor([[[1.0, 0.0]], [[2.0, 0.0]]]), queue=queue, neighbours=2).total.item()
    1.0
    """
    if queue.ndim != 2 or queue.shape[1] != online.shape[2] or not 1 <= neighbours <= len(queue) + 1:
        raise InputError(
            f"mean_shift got {neighbours} neighbours and a queue of shape {tuple(queue.shape)}; expected "
            f"(size, {online.shape[2]}) and 1 to size + 1 neighbours, the target among them."
        )
    q = unit(online)
    u = q if target is None else unit(target)
    old, near = unit(at_least_single(queue).to(q.dtype)), u
    if neighbours > 1:
        for places in nearest_places(u, old, count=neighbours - 1).unbind(-1):
            near = near + old[places]
    align = 2 - 2 * pair_products(q, near / neighbours)
    return LossTerms(align=reduce_pairs(align, positives, scale=2.0), spread=torch.zeros_like(align[0, 0]))
