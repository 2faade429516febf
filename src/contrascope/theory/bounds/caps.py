"""The cap about an axis inside which every unit vector is nearest to one centre."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

ROUNDING = 1e-9
"""Margins below this are not certified: rounding could have made them."""


def cap_limits(
    axes: Float[Tensor, "rows dim"], centres: Float[Tensor, "classes dim"], k: int
) -> Float[Tensor, " rows"]:
    """Largest angle about each axis within which every unit vector is strictly nearest to centre k.

    Negative where the axis itself is not; at most pi. docs/theory/bounds.md, the lemma of the limit.

    >>> [round(angle, 3) for angle in cap_limits(torch.eye(2), torch.eye(2), 0).tolist()]
    [0.785, -0.785]
    """
    others = torch.arange(len(centres), device=centres.device) != k
    toward = centres[k] - centres[others]
    length = torch.linalg.vector_norm(toward, dim=1)
    middle = (centres[k].square().sum() - centres[others].square().sum(dim=1)) / 2
    height = torch.where(length > 0, middle / length.clamp_min(1e-300), math.inf)
    cosine = (axes @ toward.T) / (
        torch.linalg.vector_norm(axes, dim=1, keepdim=True).clamp_min(1e-300) * length.clamp_min(1e-300)
    )
    open_angle = height.clamp(-1, 1).arccos() - cosine.clamp(-1, 1).arccos()
    limit = torch.where(height < -1, math.pi, torch.where(height >= 1, -math.inf, open_angle))
    return limit.amin(dim=1)
