"""Ordered pairs of distinct views: how they are laid out and how they are reduced to one number per image."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError, did_you_mean

Positives = Literal["average"]
"""How the pairs of views of one image count: the average over all ordered pairs of distinct views."""

_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"average": lambda align: align.mean(dim=0)}


def reduce_pairs(align: Float[Tensor, "pairs batch"], positives: Positives) -> Float[Tensor, " batch"]:
    """One alignment per image from one per ordered pair of views; the only place where `positives` is read.

    >>> reduce_pairs(torch.tensor([[1.0, 2.0], [3.0, 6.0]]), "average").tolist()
    [2.0, 4.0]
    """
    require_known(positives)
    return _REDUCTIONS[positives](align)


def require_known(positives: object) -> None:
    """Refuses a word that names no reduction.

    >>> require_known("mean")
    Traceback (most recent call last):
    contrascope.errors.InputError: unknown positives 'mean'. Known: average.
    """
    if positives not in _REDUCTIONS:
        raise InputError(f"unknown positives {positives!r}. {did_you_mean(str(positives), _REDUCTIONS)}")


def off_diagonal(square: Float[Tensor, "*stack n n"]) -> Float[Tensor, "*stack n-1 n"]:
    """The entries off the diagonal in reading order, without a copy where `square` is contiguous.

    >>> off_diagonal(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[2.0, 3.0]]
    """
    size = square.shape[-1]
    shifted = square.flatten(-2)[..., :-1].unflatten(-1, (size - 1, size + 1))
    return shifted[..., 1:]


def flatten_pairs(per_pair: Float[Tensor, "batch views views"]) -> Float[Tensor, "pairs batch"]:
    """The ordered pairs of distinct views in the order (0, 1), (0, 2), ..., (1, 0), (1, 2), ...

    >>> flatten_pairs(torch.tensor([[[0.0, 1.0], [2.0, 0.0]]])).tolist()
    [[1.0], [2.0]]
    """
    return off_diagonal(per_pair).flatten(1).T


def pair_products(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"]
) -> Float[Tensor, "pairs batch"]:
    """Inner product of online view a and target view b of each image, for all ordered pairs a != b."""
    return torch.stack([(x * y).sum(-1) for x, y in _pairs_of_views(online, target)])


def pair_square_distances(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"]
) -> Float[Tensor, "pairs batch"]:
    """Squared distance of online view a and target view b of each image, for all ordered pairs a != b."""
    return torch.stack([(x - y).square().sum(-1) for x, y in _pairs_of_views(online, target)])


def both_branches(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"] | None
) -> Float[Tensor, "all_views batch dim"]:
    """All views on which a per-view spread is averaged: online ones, and target ones where they differ."""
    return online if target is None else torch.cat([online, target])


def _pairs_of_views(online: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Online view a and target view b for all ordered pairs a != b, in the order of `flatten_pairs`."""
    # unbind once: its backward is one stack, where indexing fills a whole tensor with zeros for every pair
    from_online, from_target = online.unbind(), target.unbind()
    return [(x, y) for a, x in enumerate(from_online) for b, y in enumerate(from_target) if a != b]
