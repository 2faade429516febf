"""Cross-entropy of views against codes: what SwAV and DINO minimise once they have made their codes."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.terms import LossTerms
from contrascope.machine.constants import constant
from contrascope.settings import require_positive


def assigned(
    scores: Float[Tensor, "views batch prototypes"],
    codes: Float[Tensor, "assigning batch prototypes"],
    *,
    temperature: float,
) -> LossTerms:
    """Mean cross-entropy of softmax(scores / temperature) of each view against the codes of the other views.

    Codes are distributions over prototypes, each summing to 1, of the first views in their order; views beyond
    have none and are only predicted. No view is held against its own code. Caron et al. 2020 (arXiv:2006.09882,
    eq. 2 and section 3.2), and Caron et al. 2021 (arXiv:2104.14294, eq. 3), divided by the number of pairs.

    The halves add up to it exactly: minus the mean score under the other view's code, and the mean log of the
    summed exponentials over prototypes. What keeps codes apart (equal shares, centring) is in neither half: it is
    in how the codes were made. Equal scores give log(prototypes); the least is 0.

    >>> equal = torch.zeros(2, 3, 4)
    >>> assigned(equal, equal.softmax(-1), temperature=0.1).total.exp().round().item()
    4.0
    """
    require_positive(temperature=temperature)
    views, makers = len(scores), len(codes)
    if views < 2 or not 1 <= makers <= views:
        raise InputError(
            f"got {views} views and codes of {makers}; expected at least 2 views, and codes of some of them. "
            "Raise `num_views`."
        )
    with torch.autocast(scores.device.type, enabled=False):
        logits = at_least_single(scores) / temperature
        products = torch.einsum("aik,vik->avi", codes.to(logits), logits)
        held = [(code, view) for code in range(makers) for view in range(views) if code != view]
        places = constant([code * views + view for code, view in held], device=scores.device)
        others = products.flatten(0, 1).index_select(0, places)
        counts = [
            makers - (view < makers) for view in range(views)
        ]  # how many codes each view is held against
        times = constant(counts, dtype=logits.dtype, device=scores.device)
        log_sums = logits.logsumexp(-1).mean(1)
        return LossTerms(align=-others.mean(0), spread=(times * log_sums).sum() / times.sum())
