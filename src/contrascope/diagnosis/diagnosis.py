"""A diagnosis: the verdict, the signals it rests on, and the factors beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.diagnosis.answers import WITHOUT_LABELS, judge
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.factors import Factors, factors
from contrascope.diagnosis.layers import LayerDetails, layer_details
from contrascope.diagnosis.learning_signals import array_gain
from contrascope.diagnosis.signals import (
    MOST_ROWS,
    LayerSignals,
    Signals,
    finite_signals,
    layer_signals,
    sample_images,
    value_faults,
)
from contrascope.diagnosis.summary import diagnosis_summary
from contrascope.diagnosis.verdict import Answer, Verdict
from contrascope.errors import InputError
from contrascope.features.rows import Rows, labels_of, views_of
from contrascope.intervals import generator
from contrascope.linalg import non_finite
from contrascope.methods.settings import MethodSettings
from contrascope.notebook import summary_html
from contrascope.precision import single_precision
from contrascope.records.vocabulary import UsefulWord
from contrascope.theory.bounds.lipschitz import LipschitzEstimate
from contrascope.theory.factors.alignment import unit_views
from contrascope.theory.factors.divergence import mean_view
from contrascope.theory.factors.pseudo import pseudo_classes

GIVEN = "the features that were given as reference, of the same images and views"
ANALYTIC = "Gaussian rows of the same shape (the uniform law); a plain array has no random encoder"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is known of a representation without labels, and with them where they are given."""

    verdict: Verdict
    """Three answers: sound and learning without labels, useful with some."""
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
        return str(self.verdict)

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


@single_precision()
def diagnose(
    h: Rows,
    z: Rows | None = None,
    labels: Rows | Mapping[str, Rows] | None = None,
    *,
    reference: Rows | None = None,
    reference_z: Rows | None = None,
    method: MethodSettings | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Diagnosis:
    """Diagnose embeddings from anywhere: encoder outputs `h`, projector outputs `z`, labels if there are any.

    Shapes: `h` [n dim] or [views n dim], `z` [n out] or [views n out], labels [n] integers, one column or
    several by name. They are checked here and not by annotations, whose answer would come before these messages.
    Tensors, arrays or lists, of any real type; measured in float32. With [n, dim] alone, what needs several views of
    an image is listed in `needs_views` and not guessed. `reference`: what the same model gives with random weights for
    the same views, and `reference_z` of its projector; without it there is nothing to compare with, and whether
    it is learning cannot be told.

    >>> h = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    >>> print(diagnose(h.numpy(), draws=0))
    Is it sound? sound
    Is it learning? cannot be told: one view of each image
    Is it useful for your classes? cannot be told without labels
    """
    h, z = views_of("h", h), None if z is None else views_of("z", z)
    known = (
        None if reference is None else views_of("reference", reference),
        None if reference_z is None else views_of("reference_z", reference_z),
    )
    for name, rows in (("z", z), ("reference", known[0]), ("reference_z", known[1])):
        if rows is not None and rows.shape[:2] != h.shape[:2]:
            raise InputError(
                f"{name} has (views, n) = {tuple(rows.shape[:2])} and h has {tuple(h.shape[:2])}; "
                "both come from the same images and views."
            )
    given = dict(labels) if isinstance(labels, Mapping) else {} if labels is None else {"label": labels}
    columns = {name: labels_of(name, column) for name, column in given.items()}
    for name, column in columns.items():
        if column.shape != (h.shape[1],):
            raise InputError(
                f"labels {name!r} have shape {tuple(column.shape)}, but h has {h.shape[1]} images; give one "
                f"integer an image: shape ({h.shape[1]},)."
            )
    signals = array_signals(h, z, reference=known, draws=draws, seed=seed)
    return diagnosis(signals, h, z, columns, known=Known(method=method), draws=draws, seed=seed)


def diagnosis(
    signals: Signals,
    h: Float[Tensor, "views n dim"],
    z: Float[Tensor, "views n out"] | None,
    labels: Mapping[str, Int[Tensor, " n"]],
    *,
    known: Known | None = None,
    useful: Answer[UsefulWord] = WITHOUT_LABELS,
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
        verdict=judge(signals, known=known, useful=useful),
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


@dataclass(frozen=True, kw_only=True)
class ArrayReference:
    """What stands beside arrays, measured once for all arrays that are compared with it."""

    rows: Tensor | None
    """h at random weights [views n dim]; None where nobody gave it."""
    rows_z: Tensor | None = None
    """z at random weights [views n out]."""
    h: LayerSignals | None
    """Its signals, or those of Gaussian rows."""
    z: LayerSignals | None
    """The same of z."""


def array_reference(
    h: Float[Tensor, "views n dim"],
    z: Float[Tensor, "views n out"] | None,
    *,
    given: tuple[Tensor | None, Tensor | None] = (None, None),
    draws: int = 200,
    seed: int = 0,
) -> ArrayReference:
    """The reference of arrays of this shape: `given`, of h and z, or Gaussian rows of the same shape, one view."""
    if given[0] is not None:
        of_h, of_z = (finite_signals(rows, draws=draws, seed=seed) for rows in given)
        return ArrayReference(rows=given[0], rows_z=given[1], h=of_h, z=of_z)
    plain = (None if rows is None else _gaussian(rows, seed) for rows in (h, z))
    of_h, of_z = (None if rows is None else layer_signals(rows, draws=draws, seed=seed) for rows in plain)
    return ArrayReference(rows=None, h=of_h, z=of_z)


def array_signals(
    h: Float[Tensor, "views n dim"],
    z: Float[Tensor, "views n out"] | None,
    *,
    reference: ArrayReference | tuple[Tensor | None, Tensor | None] = (None, None),
    draws: int = 200,
    seed: int = 0,
) -> Signals:
    """Signals of plain arrays beside `reference`: measured already, or h and z with random weights.

    Without one of h: Gaussian rows of the same shape, one view.
    """
    if not isinstance(reference, ArrayReference):
        reference = array_reference(h, z, given=reference, draws=draws, seed=seed)
    known = reference.rows
    return Signals(
        h=finite_signals(h, draws=draws, seed=seed),
        z=finite_signals(z, draws=draws, seed=seed),
        reference_h=reference.h,
        reference_z=reference.z,
        reference=ANALYTIC if known is None else GIVEN,
        equal_views=0.0,
        faults=value_faults(h, z),
        learning=None if known is None else array_gain(h, known, draws=draws),
    )


def _gaussian(rows: Tensor, seed: int) -> Tensor:
    shape = (min(rows.shape[1], MOST_ROWS), rows.shape[2])
    return torch.randn(shape, generator=generator(seed, "gaussian reference"), dtype=torch.float32)[None]
