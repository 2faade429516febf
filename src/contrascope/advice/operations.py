"""The operations that the advisor knows, at rising strengths, and what each does to these images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contrascope.advice.advisor import Background, ClusterLoss, Level, OperationFacts, neighbours_know
from contrascope.advice.clusters import described
from contrascope.advice.descriptors import Described, describe
from contrascope.advice.neighbours import (
    Agreed,
    agreed,
    chance_of,
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
    clusters: Sequence[Groups] = (),
    draws: int,
    seed: int,
) -> OperationFacts:
    """Applies the operation to every image at every strength, and looks who is nearest.

    `clusters` are clear ones that no label named; what is lost of them is told apart.
    """
    clean = describe(to_float(images))
    before = _before(clean, survey, groups, draws=draws)
    known = _known_clusters(described(to_float(images)), clusters, draws=draws)
    levels = tuple(
        _level(
            strength,
            operation.make(strength, 1.0),
            images,
            clean,
            before,
            groups,
            clusters=known,
            draws=draws,
            seed=seed,
        )
        for strength in operation.strengths
    )
    return OperationFacts(name=operation.name, unit=operation.unit, levels=levels, mirrors=operation.mirrors)


@dataclass(frozen=True, kw_only=True)
class KnownClusters:
    """Clear clusters with what neighbours know of them on the clean images."""

    groups: Groups
    """The clusters."""
    clean: Described
    """Descriptions of the clean images, the place among them."""
    before: Agreed
    """How far neighbours are of an image's cluster."""

    def lost(self, views: Sequence[Tensor], *, draws: int) -> ClusterLoss:
        """What these views [n channel height width] lose."""
        parts = [described(view) for view in views]
        rows = {name: torch.stack([one[name] for one in parts]) for name in self.clean}
        after = agreed(rows, self.clean, self.groups.codes, draws=draws)
        return ClusterLoss(
            name=self.groups.name,
            clusters=int(self.groups.codes.max()) + 1,
            lost=lost_estimate(self.before, after, self.groups.codes),
        )


def _known_clusters(clean: Described, clusters: Sequence[Groups], *, draws: int) -> tuple[KnownClusters, ...]:
    """Those of which neighbours know enough for a loss to be seen."""
    found = []
    for one in clusters:
        before = agreed({name: rows[None] for name, rows in clean.items()}, clean, one.codes, draws=draws)
        if neighbours_know(before.estimate, chance_of(one.codes)):
            found.append(KnownClusters(groups=one, clean=clean, before=before))
    return tuple(found)


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
    clusters: Sequence[KnownClusters],
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
        clusters=tuple(one.lost(list(views), draws=draws) for one in clusters),
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
