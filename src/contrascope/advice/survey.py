"""What the images are like before anything is trained: colour, left and right, copies, groups."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.advice.descriptors import chroma_plane, describe
from contrascope.advice.neighbours import agreed, chance_of
from contrascope.diagnosis.checks.near_copies import copied_share
from contrascope.intervals import Estimate, generator, images_worth, random_halves, share_estimate
from contrascope.theory.factors.pseudo import pseudo_classes
from contrascope.types import FloatImages

SEEN = 1 / 255
"""A change of a pixel that counts."""
FOLDS = 5
CLEAR = 0.9
"""Simplified silhouette from which hues count as falling into separate groups; an even spread has 0.61."""
MOST_GROUPS = 20
SAME = 1e-5
"""Difference of descriptions that is rounding."""
RIDGE = 0.1
RULE_SPLITS = 20
"""Random halves within which the rules that tell left from right are learnt anew."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Facts of a set of images; shares in [0, 1]."""

    images: int
    """Images of the set."""
    sampled: int
    """Images looked at."""
    channels: int
    """Channels of an image."""
    height: int
    """Height in px as opened."""
    width: int
    """Width in px as opened."""
    side: int
    """Shorter side in px at which everything is measured."""
    coloured: Estimate
    """Share of images whose mean chroma exceeds 1/255."""
    symmetric: Estimate
    """Share of images that equal their mirror image to 1/255."""
    handed: Estimate
    """Share of images told from their mirror image by a linear rule learnt on others; chance is 0.5."""
    copies: Estimate
    """Share of images that have a near-duplicate in the sample."""
    classes: int
    """Classes where labels are given, else 0."""
    hue_groups: int
    """Separate groups of hue that were found without labels; 0: none."""
    hue_silhouette: float
    """How separate they are, 0 to 1; 0.9 and more counts as separate."""
    groups: str
    """What the neighbours are asked about: the label's name, or `hue`, or nothing."""
    known: Estimate | None
    """Share of an image's 3 nearest others that are of its group, in the description that knows best."""
    description: str
    """That description: pixels, shape or colour."""
    chance: float
    """The same share for neighbours drawn at random."""
    clusters: dict[str, int] = field(default_factory=dict)
    """Clear clusters of colour, place, turn or shape, and how many; none are looked for where there are labels."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """What must not vanish: classes, or groups found without labels."""

    name: str
    """Name of the label column, or `hue`."""
    codes: Int[Tensor, " n"]
    """Group of every image, -1 for none."""


def coloured(images: FloatImages) -> Bool[Tensor, " batch"]:
    """Whether the mean chroma of each image exceeds 1/255.

    >>> coloured(torch.zeros(1, 3, 2, 2)).tolist()
    [False]
    """
    if images.shape[1] != 3:
        return torch.zeros(len(images), dtype=torch.bool)
    a, b = chroma_plane(images)
    return torch.hypot(a, b).mean(dim=(1, 2)) > SEEN


def handedness(images: FloatImages, *, seed: int = 0) -> Float[Tensor, " batch"]:
    """Per image: is it told from its mirror image, 1 or 0, by a rule learnt on the others; 0.5 where they are equal.

    Ridge regression without intercept on the difference of the descriptions of an image and its mirror image, 5-fold;
    where a set and its mirror image have the same distribution the mean is 0.5.

    >>> handedness(torch.ones(10, 1, 4, 4)).mean().item()
    0.5
    """
    gram, fold, equal = _mirrored(images, seed)
    told = _told(gram, fold, torch.ones(len(fold), dtype=torch.bool))
    return told.masked_fill(equal, 0.5).float()


def handed_share(images: FloatImages, *, draws: int = 0, seed: int = 0) -> Estimate:
    """Mean `handedness` with its 95 % interval; with `draws` of 0 a point.

    All images are judged by rules that share images, so the rules are learnt anew within random halves.

    >>> handed_share(torch.ones(10, 1, 4, 4)).value
    0.5
    """
    told = handedness(images, seed=seed)
    if draws == 0:
        return share_estimate(told)
    gram, fold, equal = _mirrored(images, seed)
    half = random_halves(len(fold), splits=RULE_SPLITS)
    halved = [torch.where(one, _told(gram, fold, one), _told(gram, fold, ~one)) for one in half]
    worth = images_worth(torch.stack(halved).masked_fill(equal, 0.5), half)
    return share_estimate(told, draws=draws, images=worth)


def _mirrored(images: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inner products of what distinguishes images from their mirror images, folds, and which equal theirs."""
    ours, theirs = (torch.cat(list(describe(one).values()), dim=1) for one in (images, images.flip(3)))
    odd = (ours - theirs).double()
    fold = torch.empty(len(odd), dtype=torch.int64)
    order = torch.randperm(len(odd), generator=generator(seed, "handedness"))
    for number, rows in enumerate(order.chunk(min(FOLDS, len(odd)))):
        fold[rows] = number
    return odd @ odd.T, fold, odd.abs().amax(dim=1) < SAME


def _told(gram: Tensor, fold: Tensor, kept: Tensor) -> Tensor:
    """Whether each of the images that are kept is told by the rule of those in other folds; else 0.5."""
    told = torch.full((len(fold),), 0.5, dtype=torch.float64)
    for number in fold.unique():
        rest, here = (kept & (fold != number)).nonzero()[:, 0], (kept & (fold == number)).nonzero()[:, 0]
        if not len(rest) or not len(here):
            continue
        between = gram[rest][:, rest]
        between.diagonal().add_(RIDGE * between.diagonal().mean().clamp_min(1e-12))
        weight = torch.linalg.solve(between, gram.new_ones(len(rest)))
        told[here] = ((gram[here][:, rest] @ weight).sign() + 1) / 2
    return told


def hue_groups(images: FloatImages, *, seed: int = 0) -> tuple[Groups | None, float]:
    """Groups of images by their dominant hue where these are clearly separate, and how separate (silhouette).

    The dominant hue is the angle of the mean of the chroma plane. Without labels this is the one case in which colour
    is known to tell images apart; images without colour belong to no group.
    """
    some = coloured(images)
    if int(some.sum()) < max(16, len(images) // 2):
        return None, 0.0
    a, b = (part.mean(dim=(1, 2)) for part in chroma_plane(images[some]))
    found = pseudo_classes(torch.stack((a, b), dim=1), seed=seed)
    silhouette = found.silhouettes.get(found.k, 0.0)
    if silhouette < CLEAR or not 2 <= found.k <= MOST_GROUPS:
        return None, silhouette
    codes = torch.full((len(images),), -1, dtype=torch.int64)
    codes[some] = found.labels
    return Groups(name="hue", codes=codes), silhouette


def survey(
    images: FloatImages,
    *,
    total: int,
    shape: tuple[int, int, int],
    groups: Groups | None,
    classes: int,
    draws: int,
    seed: int,
) -> tuple[Survey, Groups | None]:
    """Look at a sample; the groups are those given or, without, those of hue where they are clear."""
    found, silhouette = hue_groups(images, seed=seed)
    chosen = groups or found
    known, description, chance = None, "", 0.0
    if chosen is not None:
        inside = chosen.codes >= 0
        codes = chosen.codes[inside]
        rows = {name: part[inside] for name, part in describe(images).items()}
        best = agreed({name: part[None] for name, part in rows.items()}, rows, codes, draws=draws)
        known, description = best.estimate, best.description
        chance = chance_of(codes)
    same = ((images - images.flip(3)).abs().flatten(1).amax(dim=1) <= SEEN).float()
    result = Survey(
        images=total,
        sampled=len(images),
        channels=shape[0],
        height=shape[1],
        width=shape[2],
        side=min(images.shape[2:]),
        coloured=share_estimate(coloured(images).float(), draws=draws),
        symmetric=share_estimate(same, draws=draws),
        handed=handed_share(images, draws=draws, seed=seed),
        copies=copied_share(images, draws=draws),
        classes=classes,
        hue_groups=0 if found is None else int(found.codes.max()) + 1,
        hue_silhouette=silhouette,
        groups="" if chosen is None else chosen.name,
        known=known,
        description=description,
        chance=chance,
    )
    return result, chosen
