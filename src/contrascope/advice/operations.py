"""The operations that the advisor knows, at rising strengths, and what each does to these images."""

import torch
from torch import Tensor

from contrascope.advice.advisor import Background, Level, OperationFacts, neighbours_know
from contrascope.advice.descriptors import Described, describe, distances_without_self
from contrascope.advice.survey import SEEN, Groups, Survey, agreement
from contrascope.augment.catalogue import PolicyOperation
from contrascope.augment.op import AbstractOp
from contrascope.augment.policy import Policy, to_float
from contrascope.augment.views import make_views
from contrascope.draws import PROBE_EPOCH
from contrascope.intervals import Estimate, mean_estimate
from contrascope.types import ByteImages

MEASURED_VIEWS = 2
"""Views of each image by which an operation is judged."""


def background(survey: Survey, *, labelled: bool) -> Background:
    """What verdicts read of a survey."""
    return Background(
        groups=survey.groups,
        labelled=labelled,
        known=survey.known,
        chance=survey.chance,
        handed=survey.handed,
    )


def measure_operation(
    operation: PolicyOperation,
    images: ByteImages,
    survey: Survey,
    groups: Groups | None,
    *,
    draws: int,
    seed: int,
) -> OperationFacts:
    """Applies the operation to every image at every strength, and looks who is nearest."""
    clean = describe(to_float(images))
    levels = tuple(
        _level(strength, operation.make(strength, 1.0), images, clean, survey, groups, draws=draws, seed=seed)
        for strength in operation.strengths
    )
    return OperationFacts(name=operation.name, unit=operation.unit, levels=levels, mirrors=operation.mirrors)


def _level(
    strength: float,
    op: AbstractOp,
    images: Tensor,
    clean: Described,
    survey: Survey,
    groups: Groups | None,
    *,
    draws: int,
    seed: int,
) -> Level:
    views, _ = make_views(
        images,
        Policy(ops=(op,)),
        ids=torch.arange(len(images)),
        seed=seed,
        epoch=PROBE_EPOCH,
        num_views=MEASURED_VIEWS,
    )
    change = (views - to_float(images)).flatten(2)
    described = [describe(view) for view in views]
    rows = {name: torch.stack([one[name] for one in described]) for name in clean}
    own = [_identity(rows[name], clean[name]) for name in clean]
    kept, lost = _groups(rows, clean, survey, groups, draws=draws)
    return Level(
        strength=strength,
        changed=float((change.abs().amax(dim=2) > SEEN).any(dim=0).double().mean()),
        moved=float(change.double().square().mean().sqrt()),
        identity=mean_estimate(max(own, key=lambda share: float(share.mean())), draws=draws, key="identity"),
        kept=kept,
        lost=lost,
    )


def _identity(views: Tensor, bank: Tensor) -> Tensor:
    """Per image: share of its views that are nearer to it than to every other image; ties count as lost."""
    between = distances_without_self(views, bank, own=True)
    own = between.diagonal(dim1=1, dim2=2)
    others = between.masked_fill(torch.eye(len(bank), dtype=torch.bool), float("inf")).amin(dim=2)
    return (own < others - 1e-9).float().mean(dim=0)


def _groups(
    rows: Described, clean: Described, survey: Survey, groups: Groups | None, *, draws: int
) -> tuple[Estimate | None, Estimate | None]:
    """Share of neighbours of the own group, and of what the clean ones know how much is lost."""
    if groups is None:
        return None, None
    inside = groups.codes >= 0
    codes = groups.codes[inside]
    share = {name: agreement(rows[name][:, inside], clean[name][inside], codes) for name in rows}
    after = max(share.values(), key=lambda values: float(values.mean()))
    kept = mean_estimate(after, draws=draws, key="kept")
    if not neighbours_know(survey.known, survey.chance):
        return kept, None
    bank = clean[survey.description][inside]
    before = agreement(bank[None], bank, codes)
    lost = (before - after) / (float(before.mean()) - survey.chance)
    return kept, mean_estimate(lost, draws=draws, key="lost")
