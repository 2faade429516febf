"""Two halves of every class: the centres of one judge the images of the other."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator

MAX_IMAGES = 400
"""Images of a class that are looked at unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Halves:
    """Images of every class in two random halves, and what a judged image weighs."""

    images: list[Int[Tensor, " _some"]]
    """Of each class those that are looked at, rising."""
    second: list[Bool[Tensor, " _some"]]
    """Which of them are in the second half; its centres judge the first."""
    priors: Float[Tensor, " classes"]
    """Share of each class among all labels, also of those that are not looked at."""

    def judged(self, k: int, fold: int) -> Bool[Tensor, " some"]:
        """The images of class k that fold 0 or 1 judges; the others make its centre."""
        return self.second[k] == bool(fold)

    def size(self, priors: Float[Tensor, " classes"] | None = None) -> float:
        """1 over the largest weight of a judged image, of both folds: `size` of `share_limit`."""
        priors = self.priors if priors is None else priors
        weights = [
            (prior / count).item()
            for prior, second in zip(priors, self.second, strict=True)
            for count in (second.sum(), (~second).sum())
            if count > 0
        ]
        return 1 / max(weights)


def class_halves(
    codes: Int[Tensor, " n"], classes: int, *, max_images: int | None = MAX_IMAGES, seed: int = 0
) -> Halves:
    """Random halves within each class, of at most `max_images` images of it (None: all), keyed by `seed`.

    The odd image goes to the second half of every other class. Images are taken to be drawn independently:
    copies or frames of one film, spread over both halves, would judge themselves.

    >>> halves = class_halves(torch.tensor([0, 1, 0, 1]), 2)
    >>> halves.judged(0, 0).sum().item(), halves.size()
    (1, 2.0)
    """
    if max_images is not None and max_images < 1:
        raise InputError(f"max_images={max_images}; expected at least 1, or None for all.")
    images, second = [], []
    for k in range(classes):
        members = (codes == k).nonzero().flatten()
        source = generator(seed, "class_halves", k)
        order = torch.randperm(len(members), generator=source)[:max_images].to(members.device)
        half = (torch.arange(len(order), device=members.device) + k) % 2 == 1
        kept = order.sort()
        images.append(members[kept.values])
        second.append(half[kept.indices])
    return Halves(
        images=images, second=second, priors=codes.bincount(minlength=classes).double() / len(codes)
    )
