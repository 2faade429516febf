"""The operations that the advisor knows, at rising strengths, and what each does to these images."""

import torch
from torch import Tensor

from contrascope.advice.advisor import Background, Level, OperationFacts, neighbours_know
from contrascope.advice.descriptors import Described, describe
from contrascope.advice.neighbours import (
    Agreed,
    agreed,
    identity_estimate,
    lost_estimate,
    nearer_images,
)
from contrascope.advice.survey import SEEN, Groups, Survey
from contrascope.augment.catalogue import PolicyOperation
from contrascope.augment.op import AbstractOp
from contrascope.augment.policy import Policy, to_float
from contrascope.augment.views import make_views
from contrascope.draws import PROBE_EPOCH
from contrascope.intervals import Estimate
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
    before = _before(clean, survey, groups, draws=draws)
    levels = tuple(
        _level(strength, operation.make(strength, 1.0), images, clean, before, groups, draws=draws, seed=seed)
        for strength in operation.strengths
    )
    return OperationFacts(name=operation.name, unit=operation.unit, levels=levels, mirrors=operation.mirrors)


def _before(clean: Described, survey: Survey, groups: Groups | None, *, draws: int) -> Agreed | None:
    """What neighbours know of the groups without the operation; None where it is too little for a loss to be seen."""
    if groups is None or not neighbours_know(survey.known, survey.chance):
        return None
    inside, name = groups.codes >= 0, survey.description
    bank = clean[name][inside]
    return agreed({name: bank[None]}, {name: bank}, groups.codes[inside], draws=draws)


def _level(
    strength: float,
    op: AbstractOp,
    images: Tensor,
    clean: Described,
    before: Agreed | None,
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
    nearer = [nearer_images(rows[name], clean[name]) for name in clean]
    kept, lost = _groups(rows, clean, before, groups, draws=draws)
    return Level(
        strength=strength,
        changed=float((change.abs().amax(dim=2) > SEEN).any(dim=0).double().mean()),
        moved=float(change.double().square().mean().sqrt()),
        identity=identity_estimate(min(nearer, key=lambda one: int(one.any(dim=2).sum())), draws=draws),
        kept=kept,
        lost=lost,
    )


def _groups(
    rows: Described, clean: Described, before: Agreed | None, groups: Groups | None, *, draws: int
) -> tuple[Estimate | None, Estimate | None]:
    """Share of neighbours of the own group, and of what the clean ones know how much is lost."""
    if groups is None:
        return None, None
    inside = groups.codes >= 0
    codes = groups.codes[inside]
    views = {name: part[:, inside] for name, part in rows.items()}
    after = agreed(views, {name: part[inside] for name, part in clean.items()}, codes, draws=draws)
    return after.estimate, None if before is None else lost_estimate(before, after, codes)
