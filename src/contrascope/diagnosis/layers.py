"""What is reported of one layer beside the signals: R_eps, raw alignment, and the losses taken apart."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.intervals import Estimate
from contrascope.theory.factors.alignment import alignment, augmentation_robust, r_epsilon_curve, unit_views
from contrascope.theory.factors.decompose import cross_correlation_split, info_nce_split

BARLOW_WEIGHT = 5e-3
"""lambda at which the cross-correlation loss is shown: Barlow Twins' own."""


@dataclass(frozen=True, kw_only=True)
class BandedCurve:
    """A function with pointwise 95 % intervals."""

    x: tuple[float, ...]
    """Where it was evaluated, rising."""
    y: tuple[float, ...]
    """Its values."""
    low: tuple[float, ...]
    """Lower ends."""
    high: tuple[float, ...]
    """Upper ends."""


@dataclass(frozen=True, kw_only=True)
class LossParts:
    """The papers' losses of a layer, taken apart (Huang et al. 2023, sections 3 and 4)."""

    info_nce: Estimate
    """InfoNCE with one negative at temperature 1, unit rows: L_1 + L_2."""
    info_nce_l1: Estimate
    """L_align / 2 - 1, in [-1, 1]."""
    info_nce_l2: Estimate
    """Spread term, in [log 2 - 1, log 2 + 1]."""
    correlation: float
    """Cross-correlation loss (1 - lambda) L_1 + lambda L_2 of standardised rows, lambda 5e-3."""
    correlation_l1: float
    """Sum over dimensions of (1 - F_ii)^2."""
    correlation_l2: float
    """||F - I||_F^2."""
    correlation_align: Estimate
    """L_align of the standardised rows, equal to 2 tr(I - F)."""
    correlation_align_bound: float
    """2 sqrt(d L_1), Lemma 4.1: never below the measured value."""


@dataclass(frozen=True, kw_only=True)
class LayerDetails:
    """What a diagnosis shows of a layer and no rule reads; needs two views."""

    alignment_raw: Estimate
    """L_align of the rows as they are, in their own units squared."""
    augmentation_robust_raw: Estimate
    """L_AR of the rows as they are."""
    r_epsilon: BandedCurve
    """R_eps of unit rows: share of images whose worst pair of views is farther apart than eps, eps in [0, 2]."""
    losses: LossParts | None
    """None where a row is zero and has no direction."""


def layer_details(rows: Float[Tensor, "views n dim"], *, draws: int = 200, seed: int = 0) -> LayerDetails:
    """Details of one layer with two views or more.

    >>> rows = torch.randn(2, 32, 4, generator=torch.Generator().manual_seed(0))
    >>> details = layer_details(rows, draws=0)
    >>> details.r_epsilon.y[-1]
    0.0
    """
    unit = unit_views(rows)
    curve = r_epsilon_curve(unit, draws=draws)
    parts = (curve.epsilons, curve.share, curve.low, curve.high)
    x, y, low, high = (tuple(part.tolist()) for part in parts)
    return LayerDetails(
        alignment_raw=alignment(rows, draws=draws, seed=seed),
        augmentation_robust_raw=augmentation_robust(rows, draws=draws, seed=seed),
        r_epsilon=BandedCurve(x=x, y=y, low=low, high=high),
        losses=_losses(rows, unit, draws=draws, seed=seed),
    )


def _losses(rows: Tensor, unit: Tensor, *, draws: int, seed: int) -> LossParts | None:
    if not bool((torch.linalg.vector_norm(unit, dim=2) > 0).all()):
        return None
    info = info_nce_split(unit, draws=draws, seed=seed)
    cross = cross_correlation_split(rows, weight=BARLOW_WEIGHT, draws=draws, seed=seed)
    return LossParts(
        info_nce=info.loss,
        info_nce_l1=info.l_1,
        info_nce_l2=info.l_2,
        correlation=cross.loss,
        correlation_l1=cross.l_1,
        correlation_l2=cross.l_2,
        correlation_align=cross.l_align,
        correlation_align_bound=cross.l_align_bound,
    )
