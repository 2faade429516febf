"""The three factors and their bounds with labels, or with pseudo-classes: beside the verdict, never inside it."""

from dataclasses import dataclass, replace

from jaxtyping import Float, Int
from torch import Tensor

from contrascope.intervals import Estimate
from contrascope.theory.bounds.bound import Bound
from contrascope.theory.bounds.divergence_bounds import correlation_divergence
from contrascope.theory.bounds.embedding_bound import embedding_error_bounds
from contrascope.theory.bounds.few_shot import held_out_few_shot
from contrascope.theory.bounds.spread_bound import spread_bound
from contrascope.theory.factors.alignment import unit_views
from contrascope.theory.factors.centre_error import nearest_centre_error
from contrascope.theory.factors.divergence import divergence
from contrascope.theory.factors.variance import class_variance

SHOTS = {"1 label a class": 1, "5 labels a class": 5, "exact centres": None}
"""Labels a class for which a few-shot bound is given; None: centres of half of all images."""


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Divergence, within-class variance, error and bounds of one layer under one labelling; unit rows."""

    labels: str
    """The label column, or the rule that made pseudo-classes."""
    pseudo: bool
    """Whether the classes come from the embedding itself; then error and bounds are of these classes only, and no
    bound is informative: classes that were made where features lie close are told apart by these features."""
    classes: int
    """Number of classes."""
    max_cosine: Estimate
    """Largest cosine of two class centres, in [-1, 1]; smaller is more divergent."""
    mean_cosine: Estimate
    """Mean cosine over pairs of class centres; -1 / (classes - 1) at the simplex."""
    delta_mu: float
    """1 - min_k |mu_k|^2, in [0, 1]."""
    simplex_distance: float
    """Root mean square deviation of the centres' Gram matrix from the simplex's."""
    error: Estimate
    """Err(G): share of views whose nearest class centre is another class's."""
    cdnv: Estimate
    """Class-distance normalised variance, mean over pairs of classes; 0 at neural collapse."""
    directional_cdnv: Estimate
    """The same along the line between the two centres."""
    bounds: tuple[Bound, ...]
    """Every bound that these features allow, each with its word."""


def factors(
    rows: Float[Tensor, "views n dim"],
    y: Int[Tensor, " n"],
    *,
    labels: str,
    pseudo: bool = False,
    draws: int = 200,
    seed: int = 0,
) -> Factors:
    """Factors and bounds of one layer; with one view those that need several are left out.

    Bounds over pseudo-classes are circular and never called informative, however small: k-means puts a class where the
    features are, in noise too.

    >>> import torch
    >>> rows = torch.eye(2).repeat(2, 10, 1)
    >>> factors(rows, torch.tensor([0, 1] * 10), labels="label", draws=0).error.value
    0.0
    """
    unit = unit_views(rows)
    apart = divergence(unit, y, draws=draws, seed=seed)
    within = class_variance(unit, y, draws=draws, seed=seed)
    return Factors(
        labels=labels,
        pseudo=pseudo,
        classes=len(apart.classes),
        max_cosine=apart.max_cosine,
        mean_cosine=apart.mean_cosine,
        delta_mu=apart.delta_mu,
        simplex_distance=apart.simplex_distance,
        error=nearest_centre_error(unit, y, draws=draws).error,
        cdnv=within.mean_cdnv,
        directional_cdnv=within.mean_directional,
        bounds=tuple(replace(bound, circular=pseudo) for bound in _bounds(unit, y, seed=seed)),
    )


def _bounds(unit: Tensor, y: Tensor, *, seed: int) -> list[Bound]:
    found: dict[str, Bound] = {}
    if len(unit) > 1:
        certified = embedding_error_bounds(unit, y, seed=seed)
        found |= {
            "error, main theorem in embedding space": certified.theorem,
            "error, certificate from main parts": certified.direct,
            "error, certificate from caps": certified.cap,
        }
    found |= {
        f"error, {name}": held_out_few_shot(unit, y, shots=shots, seed=seed) for name, shots in SHOTS.items()
    }
    if len(unit) > 1:
        found["spread term L_2 of InfoNCE"] = spread_bound(unit, y, seed=seed)
        found["product of two centres, Theorem 4"] = correlation_divergence(unit, y, seed=seed)
    return [replace(bound, name=name) for name, bound in found.items()]
