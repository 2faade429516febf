"""Numbers of a step that tell a collapse from learning, for `Method.note`."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.linalg import at_least_single
from contrascope.losses.similarity import unit


@torch.no_grad()
def code_signals(
    scores: Float[Tensor, "views batch prototypes"],
    codes: Float[Tensor, "assigning batch prototypes"],
    *,
    temperature: float,
) -> dict[str, Float[Tensor, ""]]:
    """Whether codes have collapsed, and how: onto one prototype, evenly over all, or not at all.

    `code_evenness`: entropy of the batch's mean code over that of equal shares, in [0, 1]; 0 if all images have one
    prototype. `code_entropy`: mean entropy of a code over the same, in [0, 1]; 1 if every code is even. `divergence`:
    mean KL divergence of predictions from codes of the same view, in nats, at least 0; with either of the other
    two at its bad end, 0 is a collapse (Caron et al. 2021, arXiv:2104.14294, section 5.3). `used_prototypes`: share of
    the prototypes that are the first choice of some code, at most the batch's images over their number.

    >>> even = torch.zeros(1, 2, 4).softmax(-1)
    >>> {name: round(value.item(), 3) for name, value in code_signals(even, even, temperature=1.0).items()}
    {'code_evenness': 1.0, 'code_entropy': 1.0, 'divergence': 0.0, 'used_prototypes': 0.25}
    """
    count = codes.shape[-1]
    q = at_least_single(codes)
    logs = (at_least_single(scores[: len(codes)]) / temperature).log_softmax(-1)
    entropy = torch.special.entr(q).sum(-1)
    chosen = torch.zeros(count, dtype=q.dtype, device=q.device)
    chosen[q.argmax(-1).flatten()] = 1
    return {
        "code_evenness": torch.special.entr(q.mean((0, 1))).sum() / math.log(count),
        "code_entropy": entropy.mean() / math.log(count),
        "divergence": (-(q * logs).sum(-1) - entropy).mean(),
        "used_prototypes": chosen.mean(),
    }


@torch.no_grad()
def unit_std(z: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
    """Mean standard deviation of unit rows over dimensions times sqrt(dim), in [0, 1]: 0 if all point one way.

    The indicator of SimSiam (Chen and He 2021, arXiv:2011.10566, section 4.1).

    >>> unit_std(torch.tensor([[2.0, 0.0], [2.0, 0.0]])).item()
    0.0
    """
    rows = unit(at_least_single(z))
    return rows.std(dim=0, correction=0).mean() * math.sqrt(rows.shape[1])


@torch.no_grad()
def log_condition(z: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
    """Decimal logarithm of the largest over the smallest eigenvalue of the rows' covariance; inf if it is singular.

    >>> log_condition(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.1], [0.0, -0.1]])).item()
    2.0
    """
    rows = at_least_single(z)
    rows = rows - rows.mean(dim=0)
    values = torch.linalg.eigvalsh(rows.T @ rows)
    return (values[-1] / values[0].clamp_min(0)).log10()
