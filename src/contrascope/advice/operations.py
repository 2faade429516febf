"""The operations that the advisor knows, at rising strengths, and what each does to these images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contrascope.advice.advisor import Background, Level, OperationFacts, neighbours_know
from contrascope.advice.descriptors import Described, describe, distances_without_self
from contrascope.advice.survey import SEEN, Groups, Survey, agreement
from contrascope.augment.blur import GaussianBlur
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.occlusion import Cutout
from contrascope.augment.op import AbstractOp
from contrascope.augment.policy import Policy, to_float
from contrascope.augment.views import make_views
from contrascope.augment.warp import Affine
from contrascope.diagnosis.networks import PROBE_EPOCH
from contrascope.intervals import Estimate, mean_estimate
from contrascope.types import ByteImages

MEASURED_VIEWS = 2
"""Views of each image by which an operation is judged."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation of one number, its strength."""

    name: str
    """In words."""
    unit: str
    """How the strength is said: the largest that is drawn; empty where there is one level."""
    strengths: tuple[float, ...]
    """Rising; the last but one, or the only one, is in common use."""
    make: Callable[[float, float], AbstractOp]
    """From strength and probability."""
    p: float
    """The usual probability."""
    core: bool = True
    """Whether published policies for photographs have it."""
    mirrors: bool = False
    """Whether it exchanges left and right."""
    colour: bool = False
    """Whether it is made for 1 or 3 channels only."""


CATALOGUE = (
    Operation(
        name="crop",
        unit="hidden area {:g}",
        strengths=(0.4, 0.8, 0.92),
        make=lambda s, p: RandomResizedCrop(scale=(round(1 - s, 6), 1.0), p=p),
        p=1.0,
    ),
    Operation(
        name="flip",
        unit="",
        strengths=(1.0,),
        make=lambda s, p: HorizontalFlip(p=p),
        p=0.5,
        mirrors=True,
    ),
    Operation(
        name="affine",
        unit="{:g} degrees",
        strengths=(7.5, 15.0, 30.0),
        make=lambda s, p: Affine(
            degrees=s, shear=s, translate=round(s / 150, 6), scale=(1 - s / 100, 1 + s / 150), p=p
        ),
        p=0.9,
        core=False,
    ),
    Operation(
        name="brightness and contrast",
        unit="strength {:g}",
        strengths=(0.25, 0.5, 1.0),
        make=lambda s, p: ColorJitter(brightness=0.8 * s, contrast=0.8 * s, p=p),
        p=0.8,
        colour=True,
    ),
    Operation(
        name="hue and saturation",
        unit="strength {:g}",
        strengths=(0.25, 0.5, 1.0),
        make=lambda s, p: ColorJitter(saturation=0.8 * s, hue=0.2 * s, p=p),
        p=0.8,
        colour=True,
    ),
    Operation(
        name="colour dropping",
        unit="",
        strengths=(1.0,),
        make=lambda s, p: Grayscale(p=p),
        p=0.2,
        colour=True,
    ),
    Operation(
        name="blur",
        unit="sigma {:g} px",
        strengths=(0.5, 1.0, 2.0),
        make=lambda s, p: GaussianBlur(sigma=(0.1, s), p=p),
        p=0.5,
    ),
    Operation(
        name="cutout",
        unit="side {:g}",
        strengths=(0.25, 0.5),
        make=lambda s, p: Cutout(side=s, p=p),
        p=0.5,
        core=False,
    ),
)
"""Every operation, in the order in which a policy applies them."""


def operations_for(channels: int) -> tuple[Operation, ...]:
    """Those that images of so many channels can have.

    >>> [operation.name for operation in operations_for(4)]
    ['crop', 'flip', 'affine', 'blur', 'cutout']
    """
    return tuple(one for one in CATALOGUE if channels in (1, 3) or not one.colour)


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
    operation: Operation, images: ByteImages, survey: Survey, groups: Groups | None, *, draws: int, seed: int
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
