"""Alignment and uniformity on the unit sphere, as a loss."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.losses.others import LOG_SUM, over_others
from contrascope.losses.pairs import (
    Positives,
    both_branches,
    pair_square_distances,
    reduce_pairs,
    spread_views,
)
from contrascope.losses.registry import registered
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms
from contrascope.settings import require_positive


@registered(gathers=True)
def alignment_uniformity(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None = None,
    *,
    power: float = 2.0,
    sharpness: float = 2.0,
    uniformity: float = 1.0,
    positives: Positives = "average",
) -> LossTerms:
    """E|z1 - z2|^power plus `uniformity` times the mean over views of log E exp(-sharpness |z - z'|^2).

    Wang and Isola 2020 (arXiv:2005.10242, eqs. for L_align and L_uniform; power is their alpha, sharpness
    their t). Unit embeddings; the second expectation is over distinct images of one view. Collapse gives 0.

    >>> alignment_uniformity(torch.ones(2, 4, 3)).total.abs().item() < 1e-6
    True
    """
    require_positive(power=power, sharpness=sharpness)
    z = unit(online)
    other = None if target is None else unit(target)
    square = pair_square_distances(z, z if other is None else other)
    align = square if power == 2 else square.clamp_min(torch.finfo(square.dtype).tiny).pow(power / 2)
    near = None if other is None else spread_views(other, positives)
    spread = uniformity * _log_potential(both_branches(spread_views(z, positives), near), sharpness=sharpness)
    return LossTerms(align=reduce_pairs(align, positives, scale=1.0), spread=spread)


def _log_potential(z: Float[Tensor, "views batch dim"], *, sharpness: float) -> Float[Tensor, ""]:
    """Mean over views of the log of the mean Gaussian potential of distinct images, unit embeddings."""
    batch = z.shape[1]
    # exp(-t |x - y|^2) = exp(-2t) exp(2t x . y) for unit vectors
    logits = [over_others(2 * sharpness * view, view, LOG_SUM) for view in z[:, None].unbind()]
    return (
        torch.stack(logits).flatten(1).logsumexp(-1) - 2 * sharpness - math.log(batch * (batch - 1))
    ).mean()
