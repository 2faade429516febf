"""Nearer views than were drawn: a search over the parameters of the operations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.jitter import ColorJitter
from contrascope.augment.op import AbstractOp, Params
from contrascope.augment.policy import Policy
from contrascope.augment.views import make_views, replay
from contrascope.errors import InputError
from contrascope.types import ByteImages, FloatImages

Drawn = tuple[Params, ...]


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """Upper bounds of the augmented distance of pairs of images, before and after the search."""

    before: Float[Tensor, " pairs"]
    """Distance of the nearest drawn views."""
    after: Float[Tensor, " pairs"]
    """Distance of the nearest views found; never larger."""

    @property
    def fall(self) -> float:
        """Mean share by which the bound fell, in [0, 1]; a pair at distance 0 fell by 0."""
        return (
            (1 - self.after / self.before.where(self.before > 0, 1.0)).where(self.before > 0, 0).mean().item()
        )


class _Move(NamedTuple):
    """One coordinate: an operation's parameter, how far a step goes at first, and where it must stay."""

    operation: int
    name: str
    column: int | None
    step: float
    low: float
    high: float


def refine_distance(
    images: ByteImages | FloatImages,
    one: Policy,
    pairs: Int[Tensor, "pairs 2"],
    *,
    ids: Int[Tensor, " ids"],
    seed: int = 0,
    num_views: int = 8,
    rounds: int = 5,
    pairs_at_once: int = 512,
) -> Refinement:
    """Augmented distance of pairs of images, from drawn views on by coordinate search over their parameters.

    The nearest of the `num_views` drawn views of both images are the start. Each round tries, for each image and
    each parameter (place and size of the crop, the four colour changes, the blur's width, which operations are on), a
    step up and a step down, keeps what comes nearer, and halves the steps. Parameters stay where the policy can
    draw them, so the result is a tighter upper bound of d_A, in units of pixels in [0, 1].

    >>> from contrascope.augment.policy import policy
    >>> images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    >>> found = refine_distance(images, policy("ad"), torch.tensor([[0, 1]]), ids=torch.arange(2))
    >>> bool(found.after <= found.before)
    True
    """
    if num_views < 1 or rounds < 0 or len(pairs) == 0 or pairs_at_once < 1:
        raise InputError(
            f"{len(pairs)} pairs, num_views={num_views}, rounds={rounds}, pairs_at_once={pairs_at_once}; "
            "expected at least 1 pair, 1 view and 1 pair at once, and rounds of 0 or more."
        )
    if bool(((pairs < 0) | (pairs >= len(images))).any()):
        raise InputError(
            f"pairs go from {int(pairs.min())} to {int(pairs.max())}; there are {len(images)} images."
        )
    parts = [
        _refine(images, one, some, ids=ids, seed=seed, num_views=num_views, rounds=rounds)
        for some in pairs.split(pairs_at_once)
    ]
    before, after = zip(*parts, strict=True)
    return Refinement(before=torch.cat(before), after=torch.cat(after))


def _refine(
    images: Tensor, one: Policy, pairs: Tensor, *, ids: Tensor, seed: int, num_views: int, rounds: int
) -> tuple[Tensor, Tensor]:
    chosen, place = pairs.flatten().unique(return_inverse=True)
    views, params = make_views(images[chosen], one, ids=ids[chosen], seed=seed, epoch=0, num_views=num_views)
    rows = views.flatten(2).transpose(0, 1)  # image first
    place = place.view(pairs.shape)
    exact = "donot_use_mm_for_euclid_dist"
    gaps = torch.cdist(rows[place[:, 0]], rows[place[:, 1]], compute_mode=exact).flatten(1)
    best = gaps.argmin(dim=1)
    numbers = torch.stack([best // num_views, best % num_views], dim=1)
    shape = tuple(images.shape[1:])
    sides = []
    for side in (0, 1):
        drawn = _gather(params, numbers[:, side], place[:, side])
        sides.append(_Side(one, images[pairs[:, side]], drawn, (shape[1], shape[2])))
    gap = (sides[0].view - sides[1].view).flatten(1).double().norm(dim=1)
    before = gap.clone()
    for turn in range(rounds):
        for side, other in (sides, sides[::-1]):
            for candidate, allowed in side.neighbours(0.5**turn):
                made = side.render(candidate)
                nearer = (made - other.view).flatten(1).double().norm(dim=1)
                better = allowed & (nearer < gap)
                gap = torch.where(better, nearer, gap)
                side.take(candidate, made, better)
    return before, gap


def _gather(params: tuple[Drawn, ...], numbers: Tensor, place: Tensor) -> Drawn:
    """The parameters of view numbers[k] of image place[k]."""
    return tuple(
        {name: torch.stack([view[op][name] for view in params])[numbers, place] for name in drawn}
        for op, drawn in enumerate(params[0])
    )


class _Side:
    """One view of each pair: its image, the parameters that make it, and the view."""

    def __init__(self, one: Policy, images: Tensor, params: Drawn, size: tuple[int, int]) -> None:
        self.policy, self.images, self.params, self.size = one, images, params, size
        self.view = self.render(params)
        self.moves = [move for number, op in enumerate(one.ops) for move in _moves(number, op, size)]

    def render(self, params: Drawn) -> Tensor:
        return replay(self.images, self.policy, (params,))[0]

    def neighbours(self, share: float) -> Iterator[tuple[Drawn, Bool[Tensor, " pairs"]]]:
        for move in self.moves:
            signs: tuple[Literal[1, -1], ...] = (1,) if move.name == "on" else (1, -1)
            for sign in signs:
                old = self.params[move.operation][move.name]
                op, drawn = self.policy.ops[move.operation], dict(self.params[move.operation])
                drawn[move.name] = _moved(old, move, sign * share)
                allowed = _allowed(op, drawn, self.size, like=self.view)
                # what could not be drawn must not be rendered either: a box may lie outside the image
                drawn[move.name] = _where(allowed, drawn[move.name], old)
                params = tuple(
                    drawn if number == move.operation else kept for number, kept in enumerate(self.params)
                )
                yield params, allowed

    def take(self, params: Drawn, made: Tensor, better: Tensor) -> None:
        self.view[better] = made[better]
        kept = []
        for old, new in zip(self.params, params, strict=True):
            kept.append({name: _where(better, new[name], value) for name, value in old.items()})
        self.params = tuple(kept)


def _where(better: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(better.view(-1, *[1] * (old.ndim - 1)), new, old)


def _moved(old: Tensor, move: _Move, share: float) -> Tensor:
    if move.name == "on":
        return ~old
    if move.column is None:
        return (old + share * move.step).clamp(move.low, move.high)
    new = old.clone()
    step = max(1, round(abs(share) * move.step)) * (1 if share > 0 else -1)
    new[:, move.column] += step
    return new


def _moves(number: int, op: AbstractOp, size: tuple[int, int]) -> list[_Move]:
    switch = [_Move(number, "on", None, 0, 0, 1)] if 0 < float(getattr(op, "p", 1.0)) < 1 else []
    if isinstance(op, RandomResizedCrop):
        height, width = size
        steps = (height / 8, width / 8, height / 8, width / 8)
        return [_Move(number, "box", column, step, 0, 0) for column, step in enumerate(steps)]
    if isinstance(op, ColorJitter):
        for name in ("brightness", "contrast", "saturation"):
            amount = getattr(op, name)
            switch.append(_Move(number, name, None, amount / 2, max(0.0, 1 - amount), 1 + amount))
        return [*switch, _Move(number, "hue", None, op.hue / 2, -op.hue, op.hue)]
    if isinstance(op, GaussianBlur):
        low, high = op.sigma
        return [*switch, _Move(number, "sigma", None, (high - low) / 4, low, high)]
    return switch


def _allowed(
    op: AbstractOp, params: Params, size: tuple[int, int], *, like: Tensor
) -> Bool[Tensor, " pairs"]:
    """Whether the policy could have drawn these parameters; boxes are held to the exact ranges."""
    if not isinstance(op, RandomResizedCrop):
        return torch.ones(len(like), dtype=torch.bool, device=like.device)
    top, left, height, width = params["box"].unbind(1)
    full_height, full_width = size
    inside = (top >= 0) & (left >= 0) & (height >= 1) & (width >= 1)
    inside &= (top + height <= full_height) & (left + width <= full_width)
    area, ratio = (height * width).float() / (full_height * full_width), width.float() / height.clamp_min(1)
    inside &= (area >= op.scale[0]) & (area <= op.scale[1])
    return inside & (ratio >= op.ratio[0]) & (ratio <= op.ratio[1]) & params["on"]
