"""A diagnosis: the verdict, the signals it rests on, and the factors beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.diagnosis.factors import Factors, factors
from contrascope.diagnosis.layers import LayerDetails, layer_details
from contrascope.diagnosis.signals import (
    MOST_ROWS,
    Signals,
    finite_signals,
    layer_signals,
    sample_images,
    value_faults,
)
from contrascope.diagnosis.summary import diagnosis_summary
from contrascope.diagnosis.verdict import Verdict, judge
from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.linalg import non_finite
from contrascope.methods.settings import MethodSettings
from contrascope.notebook import summary_html
from contrascope.theory.bounds.lipschitz import LipschitzEstimate
from contrascope.theory.factors.alignment import unit_views
from contrascope.theory.factors.divergence import mean_view
from contrascope.theory.factors.pseudo import pseudo_classes

ANALYTIC = "Gaussian rows of the same shape (the uniform law); a plain array has no random encoder"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is known of a representation without labels, and with them where they are given."""

    verdict: Verdict
    """From label-free signals alone."""
    signals: Signals
    """Those signals, beside a reference."""
    factors: dict[str, Factors]
    """By layer and labelling, as "h label" or "z pseudo-classes"."""
    details: dict[str, LayerDetails]
    """By layer: R_eps, raw alignment, the losses taken apart; empty where there is one view."""
    lipschitz: LipschitzEstimate | None
    """Slopes of the encoder that were seen on its images; None for arrays. Always an estimate from below."""
    needs_views: tuple[str, ...]
    """Measurements that one view of each image does not allow."""

    def __str__(self) -> str:
        lines = [f"{self.verdict.word}: {'; '.join(self.verdict.evidence)}"]
        lines += [text for text in (self.verdict.cause, self.verdict.next) if text]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return summary_html(diagnosis_summary(self.verdict, self.signals))


PSEUDO = "pseudo-classes"
"""Name of the labelling that comes from the embedding itself."""
MOST_FACTORS = 20_000
"""Images on which factors and bounds are measured; of a larger set that many, drawn at random."""
NEEDS_VIEWS = (
    "alignment",
    "augmentation-robust loss",
    "instance retrieval",
    "average confusion ratio",
    "LiDAR",
    "R_eps",
    "embedding-space bounds",
    "losses taken apart",
)
"""What is reported as "needs views" for an array [n, dim]."""


def diagnose(
    h: Tensor,
    z: Tensor | None = None,
    labels: Tensor | Mapping[str, Tensor] | None = None,
    *,
    method: MethodSettings | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Diagnosis:
    """Diagnose embeddings from anywhere: encoder outputs `h`, projector outputs `z`, labels if there are any.

    Shapes: `h` [n dim] or [views n dim], `z` [n out] or [views n out], labels [n] integers, one column or
    several by name. They are checked here and not by annotations, whose answer would come before these messages.
    With [n, dim] alone, what needs several views of an image is listed in `needs_views` and not guessed.
    Without images there is no random encoder to compare with, so that an array that has not collapsed is at
    best `undecided`.

    >>> h = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    >>> diagnose(h, draws=0).verdict.word
    'undecided'
    """
    h, z = _views("h", h), None if z is None else _views("z", z)
    if z is not None and z.shape[:2] != h.shape[:2]:
        raise InputError(
            f"z has (views, n) = {tuple(z.shape[:2])} and h has {tuple(h.shape[:2])}; "
            "both come from the same images and views."
        )
    columns = {"label": labels} if isinstance(labels, Tensor) else dict(labels or {})
    for name, column in columns.items():
        if column.shape != (h.shape[1],):
            raise InputError(
                f"labels {name!r} have shape {tuple(column.shape)}, but h has {h.shape[1]} images; give one "
                f"integer an image: shape ({h.shape[1]},)."
            )
    signals = array_signals(h, z, draws=draws, seed=seed)
    return diagnosis(signals, h, z, columns, method=method, draws=draws, seed=seed)


def diagnosis(
    signals: Signals,
    h: Float[Tensor, "views n dim"],
    z: Float[Tensor, "views n out"] | None,
    labels: Mapping[str, Int[Tensor, " n"]],
    *,
    method: MethodSettings | None = None,
    lipschitz: LipschitzEstimate | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Diagnosis:
    """The verdict of ready signals, with the factors of the same features beside it.

    Factors and details of more than 20,000 images are of that many, drawn at random.
    """
    found: dict[str, Factors] = {}
    details: dict[str, LayerDetails] = {}
    chosen = sample_images(h.shape[1], MOST_FACTORS, seed=seed)
    columns = {name: column if chosen is None else column[chosen] for name, column in labels.items()}
    for layer, rows in (("h", h), ("z", z)):
        if rows is None or non_finite(rows.flatten(0, 1)):
            continue
        some = rows if chosen is None else rows[:, chosen]
        found |= _factors(layer, some, columns, draws=draws, seed=seed)
        if len(rows) > 1:
            details[layer] = layer_details(some, draws=draws, seed=seed)
    return Diagnosis(
        verdict=judge(signals, method=method),
        signals=signals,
        factors=found,
        details=details,
        lipschitz=lipschitz,
        needs_views=NEEDS_VIEWS if len(h) == 1 else (),
    )


def _factors(
    layer: str, rows: Tensor, labels: Mapping[str, Tensor], *, draws: int, seed: int
) -> dict[str, Factors]:
    found = {
        f"{layer} {name}": factors(rows, column, labels=name, draws=draws, seed=seed)
        for name, column in labels.items()
        if len(column.unique()) > 1
    }
    classes = pseudo_classes(mean_view(unit_views(rows)), seed=seed)
    if classes.k > 1:
        found[f"{layer} {PSEUDO}"] = factors(
            rows, classes.labels, labels=classes.rule, pseudo=True, draws=draws, seed=seed
        )
    return found


def array_signals(
    h: Float[Tensor, "views n dim"],
    z: Float[Tensor, "views n out"] | None,
    *,
    draws: int = 200,
    seed: int = 0,
) -> Signals:
    """Signals of plain arrays; the reference is Gaussian rows of the same shape, one view."""
    return Signals(
        h=finite_signals(h, draws=draws, seed=seed),
        z=finite_signals(z, draws=draws, seed=seed),
        reference_h=layer_signals(_gaussian(h, seed), draws=draws, seed=seed),
        reference_z=None if z is None else layer_signals(_gaussian(z, seed), draws=draws, seed=seed),
        reference=ANALYTIC,
        equal_views=0.0,
        faults=value_faults(h, z),
    )


def _gaussian(rows: Tensor, seed: int) -> Tensor:
    shape = (min(rows.shape[1], MOST_ROWS), rows.shape[2])
    return torch.randn(shape, generator=generator(seed, "gaussian reference"))[None]


def _views(name: str, rows: Tensor) -> Tensor:
    if rows.ndim not in (2, 3) or rows.numel() == 0 or not rows.is_floating_point():
        raise InputError(
            f"{name} has shape {tuple(rows.shape)} and dtype {rows.dtype}; expected real numbers, "
            "n x dim or views x n x dim, with at least one of each."
        )
    return rows if rows.ndim == 3 else rows[None]
