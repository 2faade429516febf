"""Pairs of views of one image: how they are laid out, and which of them count (the only reader of `positives`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import FunctionCtx

from contrascope.errors import InputError, did_you_mean
from contrascope.machine.constants import constant
from contrascope.settings import require_positive


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftWorst:
    """Between average and worst: temperature x log of the mean over pairs of exp(alignment / temperature).

    >>> reduce_pairs(torch.tensor([[0.0], [1.0]]), SoftWorst(temperature=1.0)).round(decimals=3).tolist()
    [0.62...]
    """

    temperature: float
    """In units of the loss's alignment term: towards 0 the worst pair, towards infinity the average."""

    def __post_init__(self) -> None:
        require_positive(**{"the temperature of soft-worst": self.temperature})


Positives: TypeAlias = (
    Literal["first", "average", "average-asymmetric", "worst", "worst-symmetric"] | SoftWorst
)
"""Which pairs of views of one image count: what every loss takes."""

_TIE = 32
"""Units in the last place within which two pairs of one image are equally far apart."""
_WORDS = ("first", "average", "average-asymmetric", "worst", "worst-symmetric")
_ASYMMETRIC = ("average-asymmetric", "worst")
"""The spread is that of ArCL's Algorithm 1: of views 1 and 2, anchors of view 1."""


def named_positives(name: str, temperature: float | None = None) -> Positives:
    """What a loss takes, from the word and the number of the settings.

    >>> named_positives("soft-worst", 0.5)
    SoftWorst(temperature=0.5)
    """
    if name == "soft-worst":
        if temperature is None:
            raise InputError(
                "positives 'soft-worst' needs a temperature, in units of the loss's alignment term. "
                "Set `positives_temperature`."
            )
        return SoftWorst(temperature=temperature)
    require_known(name)
    if temperature is not None:
        raise InputError(
            f"positives_temperature is {temperature}, but positives is {name!r}; only soft-worst has one. "
            "Leave it unset."
        )
    return cast(Positives, name)


def require_known(positives: object) -> None:
    """Refuses what names no choice of pairs.

    >>> require_known("mean")
    Traceback (most recent call last):
    contrascope.errors.InputError: unknown positives 'mean'. Known: average, ...
    """
    if isinstance(positives, SoftWorst) or positives in _WORDS:
        return
    if positives == "soft-worst":
        raise InputError("'soft-worst' has a temperature: a loss takes SoftWorst(temperature=...).")
    raise InputError(f"unknown positives {positives!r}. {did_you_mean(str(positives), _WORDS)}")


def views_that_count(num_views: int, positives: Positives) -> int:
    """How many of the views are looked at: all; under `first` two.

    >>> views_that_count(4, "first"), views_that_count(4, "worst")
    (2, 4)
    """
    return min(num_views, 2) if positives == "first" else num_views


def reduce_pairs(
    align: Float[Tensor, "pairs batch"], positives: Positives, *, scale: float = 0.0
) -> Float[Tensor, " batch"]:
    """One alignment per image from one per ordered pair of views: worst >= soft-worst >= average.

    The gradient of the worst flows through the chosen pair alone; of pairs that tie through the first of them
    (`worst_pair`, which has the `scale`). Zhao et al. 2023 (arXiv:2303.01092),
    Algorithm 1, where the least cosine of two views is the positive; the average, under `average` and
    `average-asymmetric` alike, is their AAL.

    >>> align = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    >>> [reduce_pairs(align, positives).tolist() for positives in ("average", "worst")]
    [[2.0, 4.0], [3.0, 6.0]]
    """
    require_known(positives)
    if isinstance(positives, SoftWorst):
        return _soft_maximum(align, positives.temperature)
    if positives in ("worst", "worst-symmetric"):
        return align.gather(0, worst_pair(align, scale=scale)[None])[0]
    return align.mean(dim=0)


@torch.no_grad()
def worst_pair(align: Float[Tensor, "pairs batch"], *, scale: float = 0.0) -> Int[Tensor, " batch"]:
    """Place of the largest alignment of each image; of those that rounding alone tells apart the first.

    Ties are no rarity: where target and online network are one, as before the first step of MoCo, the pairs (a, b)
    and (b, a) are equal, and which of them rounding puts first hangs on the size of the batch. Rounding is a few
    units in the last place of the alignment, or of `scale` where that is larger: 1 for cosines, which may cancel.

    >>> worst_pair(torch.tensor([[1.0, 2.0], [1.0 + 1e-7, 3.0]])).tolist()
    [0, 1]
    """
    worst = align.amax(dim=0)
    slack = _TIE * torch.finfo(align.dtype).eps * worst.abs().clamp_min(scale)
    return (align >= worst - slack).to(torch.uint8).argmax(dim=0)


def spread_views(
    z: Float[Tensor, "views batch dim"], positives: Positives
) -> Float[Tensor, "some batch dim"]:
    """The views that the spread looks at: all; under `worst`, as published, and `average-asymmetric` the first two.

    >>> spread_views(torch.zeros(4, 3, 2), "average-asymmetric").shape
    torch.Size([2, 3, 2])
    """
    return z[:2] if positives in _ASYMMETRIC else z


def spread_pairs(per_pair: Float[Tensor, "pairs ..."], positives: Positives) -> Float[Tensor, "some ..."]:
    """The ordered pairs whose anchors the spread looks at: all; of the asymmetric words the first, anchor view 1."""
    return per_pair[:1] if positives in _ASYMMETRIC else per_pair


def own_positives(
    logits: Float[Tensor, "pairs batch"], align: Float[Tensor, " batch"], positives: Positives
) -> Float[Tensor, "some batch"]:
    """The positive in the denominator of MoCo's loss: each pair's own; of the asymmetric words the numerator's."""
    return -align[None] if positives in _ASYMMETRIC else logits


def queued_views(keys: Float[Tensor, "views n dim"], positives: Positives) -> Float[Tensor, "some n dim"]:
    """The views whose keys enter MoCo's queue: all; of the asymmetric words the second, one key an image."""
    return keys[1:2] if positives in _ASYMMETRIC else keys


def farthest_views(
    online: Float[Tensor, "views batch dim"],
    target: Float[Tensor, "views batch dim"] | None,
    distances: Callable[[], Float[Tensor, "pairs batch"]],
    positives: Positives,
    *,
    per_dimension: bool = False,
) -> tuple[Float[Tensor, "some rows dim"], Float[Tensor, "some rows dim"] | None]:
    """Under `worst` the two views of each image that are farthest apart, the earlier view first.

    Otherwise all views as they are. A loss whose alignment is `per_dimension` has no other way to a worst
    pair: under `worst-symmetric` it gets the two views in both orders, as twice as many images.
    """
    if not (positives == "worst" or (per_dimension and positives == "worst-symmetric")):
        return online, target
    with torch.no_grad():
        order = [(min(a, b), max(a, b)) for a, b in _pair_indices(len(online))]
        places = constant(order, device=online.device)[worst_pair(distances())]  # batch 2
    chosen = [None if z is None else _pick(z, places) for z in (online, target)]
    if positives == "worst-symmetric":
        chosen = [None if z is None else torch.cat([z, z.flip(0)], dim=1) for z in chosen]
    assert chosen[0] is not None
    return chosen[0], chosen[1]


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
    # unbind once: its backward is one stack, where indexing fills a whole tensor with zeros for every pair
    from_online, from_target = online.unbind(), target.unbind()
    return torch.stack([(from_online[a] * from_target[b]).sum(-1) for a, b in _pair_indices(len(online))])


def pair_square_distances(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"]
) -> Float[Tensor, "pairs batch"]:
    """Squared distance of online view a and target view b of each image, for all ordered pairs a != b."""
    distances = _SquareDistances.apply(online, target)
    assert isinstance(distances, Tensor)
    return distances


def both_branches(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"] | None
) -> Float[Tensor, "all_views batch dim"]:
    """All views on which a per-view spread is averaged: online ones, and target ones where they differ."""
    return online if target is None else torch.cat([online, target])


class _SquareDistances(torch.autograd.Function):
    """The differences are made again in the backward pass: all pairs at once would be m^2 embeddings."""

    @staticmethod
    def forward(ctx: FunctionCtx, online: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(online, target)
        return torch.stack([(online[a] - target[b]).square().sum(-1) for a, b in _pair_indices(len(online))])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        online, target = ctx.saved_tensors
        to_online, to_target = torch.zeros_like(online), torch.zeros_like(target)
        for (a, b), grad in zip(_pair_indices(len(online)), 2 * grads[0], strict=True):
            step = grad[:, None] * (online[a] - target[b])
            to_online[a] += step
            to_target[b] -= step
        return to_online, to_target


def _pair_indices(views: int) -> list[tuple[int, int]]:
    """All ordered pairs a != b, in the order of `flatten_pairs`."""
    return [(a, b) for a in range(views) for b in range(views) if a != b]


def _pick(z: Tensor, places: Tensor) -> Tensor:
    """Views `places` (batch 2) of each image, as two views; the gradient goes to these alone."""
    return z.gather(0, places.T[:, :, None].expand(-1, -1, z.shape[2]))


def _soft_maximum(align: Tensor, temperature: float) -> Tensor:
    """Exact from the smallest temperature to the largest: no exponential overflows, no logarithm cancels."""
    largest = align.detach().amax(dim=0)
    below = torch.expm1((align - largest) / temperature).mean(dim=0)
    return largest + temperature * torch.log1p(below)
