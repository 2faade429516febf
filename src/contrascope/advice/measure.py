"""The measuring half of the advisor: a sample, the survey, the operations, the curves; nothing is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from contrascope.advice.advisor import OperationFacts, OperationVerdict, judge_operation
from contrascope.advice.clusters import clear_clusters
from contrascope.advice.curves import Curve, CurveGrid, Curves, few_per_class
from contrascope.advice.operations import background, measure_operation
from contrascope.advice.policies import (
    Candidate,
    compose,
    kept_strengths,
    pair_sweep,
    strength_sweep,
)
from contrascope.advice.settings import AdviseSettings
from contrascope.advice.survey import Groups, Survey, survey
from contrascope.augment.catalogue import operations_for
from contrascope.augment.policy import to_float
from contrascope.data.imageset import ImageSet, InMemoryImages
from contrascope.data.sampling import some_images
from contrascope.errors import InputError
from contrascope.progress import to_stderr
from contrascope.runs.store import Store

LEAST_IMAGES = 16
BATCH = 256
"""Images held at their full size at once."""
UNLABELLED_CLASSES = 10
"""Without labels concentration is measured on as many images as so many classes would give, at most."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The images that everything is measured on."""

    images: InMemoryImages
    """At most `pool`, at the side at which everything is measured, labelled where labels were asked for."""
    groups: Groups | None
    """The classes, where labels were asked for."""
    classes: int
    """Classes, or 0."""


def take_sample(images: ImageSet, labels: str | None, settings: AdviseSettings) -> Sample:
    """At most `pool` images, brought to the side at which everything is measured."""
    some = some_images(images, settings.pool, seed=settings.seed)
    batches = some.batches(torch.arange(len(some)), BATCH)
    pixels = torch.cat([_at_most(part, settings.side) for _, part in batches])
    if len(pixels) < LEAST_IMAGES:
        raise InputError(
            f"{images.name} has {len(pixels)} images; advice needs at least {LEAST_IMAGES}. Give more images."
        )
    y = some.y
    if labels is not None and y is not None and len(y.unique()) < 2:
        raise InputError(
            f"label column {labels!r} has one class in {len(y)} images; expected two or more. Leave --labels out."
        )
    memory = InMemoryImages(images=pixels, labels=y, name=images.name)
    groups = None if y is None else Groups(name=str(some.label_column), codes=y)
    return Sample(images=memory, groups=groups, classes=0 if y is None else len(y.unique()))


def _at_most(pixels: Tensor, side: int) -> Tensor:
    """Bytes whose shorter side is at most `side`."""
    factor = side / min(pixels.shape[2:])
    if factor >= 1:
        return pixels
    height, width = (max(1, round(length * factor)) for length in pixels.shape[2:])
    resized = functional.interpolate(
        pixels.float(), (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return resized.round().clamp(0, 255).to(torch.uint8)


def _measured_rows(sample: Sample, settings: AdviseSettings) -> Tensor:
    """Images for the survey: with labels as many of each class."""
    count = len(sample.images)
    if sample.groups is None:
        return torch.arange(min(settings.images, count))
    per_class = max(4, settings.images // sample.classes)
    classes = max(2, settings.images // per_class)
    return few_per_class(sample.groups.codes, per_class=per_class, classes=classes, seed=settings.seed)


def look_at(
    images: ImageSet, sample: Sample, store: Store, settings: AdviseSettings
) -> tuple[Survey, tuple[OperationFacts, ...], tuple[OperationVerdict, ...]]:
    """The survey, and facts and verdicts of every operation."""
    rows = _measured_rows(sample, settings)
    pixels = sample.images.gather(rows)
    given = (
        None if sample.groups is None else Groups(name=sample.groups.name, codes=sample.groups.codes[rows])
    )
    found, groups = survey(
        to_float(pixels),
        total=len(images),
        shape=images.shape,
        groups=given,
        classes=sample.classes,
        draws=settings.draws,
        seed=settings.seed,
    )
    clusters = () if given is not None else clear_clusters(to_float(pixels), seed=settings.seed)
    found = replace(found, clusters={one.name: int(one.codes.max()) + 1 for one in clusters})
    found = store.kept(Survey, "survey", lambda: found)
    facts = tuple(
        store.kept(
            OperationFacts,
            f"operations/{operation.name.replace(' ', '-')}",
            lambda operation=operation: measure_operation(
                operation,
                pixels,
                found,
                groups,
                clusters=clusters,
                draws=settings.draws,
                seed=settings.seed,
            ),
        )
        for operation in operations_for(images.shape[0])
    )
    known = background(found, labelled=given is not None)
    return found, facts, tuple(judge_operation(fact, known) for fact in facts)


@dataclass(frozen=True, kw_only=True)
class AllCurves:
    """Concentration curves on a common grid."""

    grid: CurveGrid
    """What they share."""
    strengths: tuple[Curve, ...]
    """Each kept operation alone at each strength, always applied."""
    pairs: tuple[Curve, ...]
    """Every two kept operations."""
    candidates: tuple[Curve, ...]
    """The candidates, in their order."""


def measure_curves(
    sample: Sample,
    found: Survey,
    verdicts: Sequence[OperationVerdict],
    chosen: Sequence[Candidate],
    store: Store,
    settings: AdviseSettings,
) -> AllCurves:
    """Concentration of single operations, pairs and candidates on few images."""
    if sample.groups is None:
        most = settings.per_class * min(settings.classes, UNLABELLED_CLASSES)
        rows, y = torch.arange(min(len(sample.images), most)), None
    else:
        codes = sample.groups.codes
        rows = few_per_class(
            codes, per_class=settings.per_class, classes=settings.classes, seed=settings.seed
        )
        y = codes[rows]
    kept = kept_strengths(verdicts)
    first = next(iter(kept))
    measuring = Curves(
        sample.images.gather(rows),
        y,
        Candidate(name=first, ops=compose({first: kept[first]})).policy,
        views=settings.views,
        draws=settings.draws,
        seed=settings.seed,
    )

    def measured(several: Sequence[Candidate], kind: str) -> tuple[Curve, ...]:
        to_stderr(f"concentration of {len(several)} policies ({kind})")
        return tuple(
            store.kept(
                Curve,
                f"curves/{kind}-{one.key}",
                lambda one=one: measuring.measure(one, normalised=kind == "candidates"),
            )
            for one in several
        )

    singles = strength_sweep(operations_for(found.channels), kept)
    return AllCurves(
        grid=measuring.grid,
        strengths=measured(singles, "strengths"),
        pairs=measured(pair_sweep(kept), "pairs"),
        candidates=measured(chosen, "candidates"),
    )
