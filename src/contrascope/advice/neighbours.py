"""What an image's neighbours know of its group, and whether an image is its own view's nearest; by halves, too.

An image is also a neighbour of others, so that intervals need the values that images have among their own half.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.advice.descriptors import Described, distances_without_self
from contrascope.intervals import (
    NORMAL_95,
    SPLITS,
    Estimate,
    count_in_half,
    first_in_half,
    halves_error,
    images_worth,
    random_halves,
    share_estimate,
)

NEIGHBOURS = 3
"""Neighbours that vote on a class."""
CANDIDATES = 20
"""Nearest images among which the neighbours of the same half are looked for."""
EQUAL = 1e-9
"""Squared distances that differ by no more are equal."""


def agreement(
    views: Float[Tensor, "views n dim"], bank: Float[Tensor, "n dim"], codes: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Per image: share of the 3 clean images nearest to its views, itself left out, that are of its group.

    >>> bank = torch.tensor([[0.0], [0.1], [0.2], [0.3], [9.0], [9.1], [9.2], [9.3]])
    >>> agreement(bank[None], bank, torch.arange(8) // 4).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    return _share_of_group(near_images(views, bank, NEIGHBOURS), codes)


def near_images(
    views: Float[Tensor, "views n dim"], bank: Float[Tensor, "n dim"], count: int
) -> Int[Tensor, "views n near"]:
    """The `count` clean images nearest to each view, nearest first, its own image left out.

    >>> near_images(torch.tensor([[[0.0], [1.0], [3.0]]]), torch.tensor([[0.0], [1.0], [3.0]]), 1).tolist()
    [[[1], [0], [1]]]
    """
    between = distances_without_self(views, bank)
    return between.topk(min(count, len(bank) - 1), dim=2, largest=False).indices


def chance_of(codes: Int[Tensor, " n"]) -> float:
    """Probability that another image, drawn at random, is of the same group.

    >>> chance_of(torch.tensor([0, 0, 1, 1]))
    0.333...
    """
    count = torch.unique(codes[codes >= 0], return_counts=True)[1].double()
    total = float(count.sum())
    return float((count * (count - 1)).sum()) / max(1.0, total * (total - 1))


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """How far neighbours are of an image's group, in one description."""

    description: str
    """Its name."""
    values: Float[Tensor, " n"]
    """`agreement` of every image."""
    halved: Float[Tensor, "splits n"]
    """The same among the images of its own half, over random halves; [0 n] where no interval is asked for."""

    @property
    def estimate(self) -> Estimate:
        """The mean, with its 95 % interval over images."""
        half = random_halves(len(self.values), splits=len(self.halved))
        worth = images_worth(self.halved, half) if len(half) else None
        return share_estimate(self.values, draws=len(half), images=worth)


def agreed(views: Described, bank: Described, codes: Int[Tensor, " n"], *, draws: int) -> Agreed:
    """The agreement of views [views n dim] with clean images [n dim] in the description in which it is largest.

    >>> bank = {"pixels": torch.tensor([[0.0], [0.1], [9.0], [9.1]])}
    >>> agreed({"pixels": bank["pixels"][None]}, bank, torch.tensor([0, 0, 1, 1]), draws=0).values
    tensor([0.3333, 0.3333, 0.3333, 0.3333])
    """
    near = {name: near_images(views[name], bank[name], CANDIDATES) for name in bank}
    share = {name: _share_of_group(index, codes) for name, index in near.items()}
    best = max(share, key=lambda name: float(share[name].mean()))
    half = random_halves(len(codes), splits=SPLITS if draws else 0)
    halved = torch.stack([_in_halves(index, codes, half) for index in near[best]]).mean(dim=0)
    return Agreed(description=best, values=share[best], halved=halved)


def lost_estimate(before: Agreed, after: Agreed, codes: Int[Tensor, " n"]) -> Estimate:
    """Share of what neighbours know above chance that views lose, with its 95 % interval over images.

    A ratio of means, (before - after) / (before - chance), whose parts depend on the neighbours: it is taken as
    linear about its value, and its error is that of the halves.

    >>> values, none = torch.tensor([1.0, 1.0, 1.0, 1.0]), torch.zeros(0, 4)
    >>> full, part = (Agreed(description="", values=v, halved=none) for v in (values, values / 2))
    >>> round(lost_estimate(full, part, torch.tensor([0, 0, 1, 1])).value, 6)
    0.75
    """
    known = float(before.values.double().mean()) - chance_of(codes)
    value = float((before.values - after.values).double().mean()) / known
    if not len(before.halved):
        return Estimate(value=value, low=value, high=value)
    half = random_halves(len(codes), splits=len(before.halved))
    above, gone = before.halved - _chance_in_halves(codes, half), before.halved - after.halved
    reach = NORMAL_95 * halves_error(gone - gone.mean() / above.mean() * above, half) / known
    return Estimate(value=value, low=value - reach, high=value + reach)


def _share_of_group(near: Tensor, codes: Tensor) -> Tensor:
    same = codes[near[:, :, :NEIGHBOURS]] == codes[None, :, None]
    return same.float().mean(dim=(0, 2))


def _in_halves(near: Tensor, codes: Tensor, half: Tensor) -> Tensor:
    """Share of the nearest images of the own half that are of the own group [splits n]."""
    taken = first_in_half(near, half, NEIGHBOURS)
    same = taken & (codes[near] == codes[:, None])
    return same.sum(dim=2).double() / taken.sum(dim=2).clamp_min(1)


def _chance_in_halves(codes: Tensor, half: Tensor) -> Tensor:
    """Share of the other images of the own half that are of the own group [splits n]: its mean is chance there."""
    others = count_in_half(torch.ones(len(codes), len(codes), dtype=torch.bool), half) - 1
    return ((count_in_half(codes == codes[:, None], half) - 1) / others.clamp_min(1)).double()


def nearer_images(
    views: Float[Tensor, "views n dim"], bank: Float[Tensor, "n dim"]
) -> Bool[Tensor, "views n n"]:
    """Which other clean images are at least as near to a view as its own one; ties within 1e-9.

    >>> nearer_images(torch.tensor([[[0.6], [1.0]]]), torch.tensor([[0.0], [1.0]])).tolist()
    [[[False, True], [False, False]]]
    """
    between = distances_without_self(views, bank, own=True)
    own = between.diagonal(dim1=1, dim2=2)
    return (between - EQUAL <= own[:, :, None]) & ~torch.eye(len(bank), dtype=torch.bool)


def identity_estimate(nearer: Bool[Tensor, "views n n"], *, draws: int) -> Estimate:
    """Share of views to which no other image is as near as their own, with its 95 % interval; without draws a point.

    >>> identity_estimate(torch.zeros(2, 4, 4).bool(), draws=0).value
    1.0
    """
    half = random_halves(nearer.shape[1])
    worth = None
    if draws:
        own = torch.stack([count_in_half(one, half) == 0 for one in nearer])
        worth = images_worth(own.double().mean(dim=0), half)
    return share_estimate((~nearer.any(dim=2)).double().mean(dim=0), draws=draws, images=worth)
