"""What the images are like before anything is trained: colour, left and right, copies, groups."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.advice.descriptors import chroma_plane, describe, distances_without_self
from contrascope.diagnosis.checks.near_copies import near_copies
from contrascope.intervals import Estimate, generator, mean_estimate
from contrascope.theory.factors.pseudo import pseudo_classes
from contrascope.types import FloatImages

SEEN = 1 / 255
"""A change of a pixel that counts."""
FOLDS = 5
NEIGHBOURS = 3
"""Neighbours that vote on a class."""
CLEAR = 0.9
"""Simplified silhouette from which hues count as falling into separate groups; an even spread has 0.61."""
MOST_GROUPS = 20
SAME = 1e-5
"""Difference of descriptions that is rounding."""
RIDGE = 0.1


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
    ours, theirs = (torch.cat(list(describe(one).values()), dim=1) for one in (images, images.flip(3)))
    odd = (ours - theirs).double()
    order = torch.randperm(len(odd), generator=generator(seed, "handedness"))
    told = torch.full((len(odd),), 0.5, dtype=torch.float64)
    for fold in order.chunk(min(FOLDS, len(odd))):
        rest = torch.ones(len(odd), dtype=torch.bool)
        rest[fold] = False
        gram = odd[rest] @ odd[rest].T
        ridge = RIDGE * gram.diagonal().mean().clamp_min(1e-12)
        eye = torch.eye(len(gram), dtype=torch.float64)
        weight = torch.linalg.solve(gram + ridge * eye, gram.new_ones(len(gram)))
        value = (odd[fold] @ odd[rest].T) @ weight
        told[fold] = (value.sign() + 1) / 2
    equal = odd.abs().amax(dim=1) < SAME
    return told.masked_fill(equal, 0.5).float()


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


def agreement(
    views: Float[Tensor, "views n dim"], bank: Float[Tensor, "n dim"], codes: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Per image: share of the 3 clean images nearest to its views, itself left out, that are of its group.

    >>> bank = torch.tensor([[0.0], [0.1], [0.2], [0.3], [9.0], [9.1], [9.2], [9.3]])
    >>> agreement(bank[None], bank, torch.arange(8) // 4).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    between = distances_without_self(views, bank)
    index = between.topk(min(NEIGHBOURS, len(bank) - 1), dim=2, largest=False).indices
    same = codes[index] == codes[None, :, None]
    return same.float().mean(dim=(0, 2))


def chance_of(codes: Int[Tensor, " n"]) -> float:
    """Probability that another image, drawn at random, is of the same group.

    >>> chance_of(torch.tensor([0, 0, 1, 1]))
    0.333...
    """
    count = torch.unique(codes[codes >= 0], return_counts=True)[1].double()
    total = float(count.sum())
    return float((count * (count - 1)).sum()) / max(1.0, total * (total - 1))


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
    known, best, chance = None, "", 0.0
    if chosen is not None:
        inside = chosen.codes >= 0
        share = {
            name: agreement(rows[inside][None], rows[inside], chosen.codes[inside])
            for name, rows in describe(images).items()
        }
        best = max(share, key=lambda name: float(share[name].mean()))
        known, chance = mean_estimate(share[best], draws=draws, key="known"), chance_of(chosen.codes)
    same = ((images - images.flip(3)).abs().flatten(1).amax(dim=1) <= SEEN).float()
    result = Survey(
        images=total,
        sampled=len(images),
        channels=shape[0],
        height=shape[1],
        width=shape[2],
        side=min(images.shape[2:]),
        coloured=mean_estimate(coloured(images).float(), draws=draws, key="coloured"),
        symmetric=mean_estimate(same, draws=draws, key="symmetric"),
        handed=mean_estimate(handedness(images, seed=seed), draws=draws, key="handed"),
        copies=mean_estimate(near_copies(images).float(), draws=draws, key="copies"),
        classes=classes,
        hue_groups=0 if found is None else int(found.codes.max()) + 1,
        hue_silhouette=silhouette,
        groups="" if chosen is None else chosen.name,
        known=known,
        description=best,
        chance=chance,
    )
    return result, chosen
