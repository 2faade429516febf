"""The three factors and their bounds with labels, or with pseudo-classes: beside the verdict, never inside it."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.intervals import Estimate
from contrascope.theory.bounds.bound import Bound
from contrascope.theory.bounds.divergence_bounds import correlation_divergence, usable_inequality
from contrascope.theory.bounds.embedding_bound import embedding_error_bounds
from contrascope.theory.factors.alignment import image_alignment, unit_views
from contrascope.theory.factors.centre_error import nearest_centre_error
from contrascope.theory.factors.decompose import info_nce_split
from contrascope.theory.factors.divergence import class_centres, divergence
from contrascope.theory.factors.variance import class_variance, few_shot_bound

SHOTS = (1, 5, None)
"""Labels a class for which a few-shot bound is given; None: exact centres."""


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Divergence, within-class variance, error and bounds of one layer under one labelling; unit rows."""

    labels: str
    """The label column, or the rule that made pseudo-classes."""
    pseudo: bool
    """Whether the classes come from the embedding itself; then error and bounds are of these classes only."""
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
        bounds=(*_error_bounds(unit, y, seed=seed), *_divergence_bounds(unit, y)),
    )


def _error_bounds(unit: Tensor, y: Tensor, *, seed: int) -> list[Bound]:
    found = []
    if len(unit) > 1:
        certified = embedding_error_bounds(unit, y, seed=seed)
        named = {
            "error, main theorem in embedding space": certified.theorem,
            "error, certificate from main parts": certified.direct,
            "error, certificate from caps": certified.cap,
        }
        found += [replace(bound, name=name) for name, bound in named.items()]
    return [*found, *(_few_shot(unit, y, shots) for shots in SHOTS)]


def _few_shot(unit: Tensor, y: Tensor, shots: int | None) -> Bound:
    bound = few_shot_bound(unit, y, shots=shots)
    name = "exact centres" if shots is None else f"{shots} label{'s' * (shots > 1)} a class"
    return Bound(
        name=f"error, {name}",
        value=bound.value,
        terms={"directional": bound.directional, "isotropic": bound.isotropic, **vars(bound.terms)},
        conditions={},
        trivial=bound.chance,
        source="ours, after Galanti et al. 2022 and Luthra et al. 2025: docs/theory/few_shot.md",
    )


def _divergence_bounds(unit: Tensor, y: Tensor) -> list[Bound]:
    if len(unit) < 2:
        return []
    centres, classes = class_centres(unit, y)
    codes = torch.searchsorted(classes, y)
    counts = torch.bincount(codes, minlength=len(classes)).double()
    image = image_alignment(unit).double()
    within = torch.zeros_like(counts).index_add_(0, codes.cpu(), image.cpu()) / counts
    split = info_nce_split(unit, negatives="independent")
    return [
        replace(
            usable_inequality(split.l_2.value, counts / counts.sum(), within, centres),
            name="spread term L_2 of InfoNCE",
        ),
        replace(correlation_divergence(unit, y), name="product of two centres, Theorem 4"),
    ]
