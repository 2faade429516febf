"""Is a representation useful for these classes? A paired comparison on a few labelled images."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from scipy.special import stdtrit
from torch import Tensor
from torch.nn import functional

from contrascope.errors import InputError
from contrascope.evaluation.few.votes import class_places, image_votes
from contrascope.intervals import Estimate, halves_error, random_halves, share_estimate

Answer = Literal["yes", "no", "label more"]
LEAST = 20
"""Labelled images below which nothing is answered."""
SEVERAL_LOOKS = 2.545
"""Errors that a difference must be away from 0. At each of six looks, every one at twice the labels of the one before,
chance goes beyond it in 5 % of all cases (by simulation: `tests/evaluation/test_few_labels.py`); at one look, 1.96."""
BLOCK_FLOATS = 1 << 22
"""Votes of random halves held at once."""
MOST_ADVISED = 20_000
"""Labels beyond which no number is advised."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The difference to another representation of the same images."""

    accuracy: Estimate
    """Share of images that are put into their class by the votes of the others, in the other representation."""
    gain: Estimate
    """How much farther in front an image's own class is, mean over images, -1 to 1; the interval is at one look."""
    error: float
    """Standard error of `gain`: every image counts as the one that is asked and as a voter."""
    sign: Literal[-1, 0, 1]
    """1: better than the other; -1: worse; 0: not told apart, with the error kept over several looks."""


@dataclass(frozen=True, kw_only=True)
class FewLabels:
    """What a few labels say of a representation."""

    labels: int
    """Labelled images."""
    classes: int
    """Different classes among them."""
    alone: int
    """Images that are alone in their class: nothing can be said of them."""
    accuracy: Estimate
    """Share of images that are put into their class by the votes of the others."""
    twin: Compared | None
    """Beside the same network with random weights; None where there is none."""
    pixels: Compared | None
    """Beside raw pixels; None where there are none."""
    answer: Answer
    """yes: better than random weights, and not found worse than raw pixels; no: worse than one of the two."""
    more: int | None
    """About how many labels in all would decide; None where it is decided, or where more than 20,000 would be needed."""


def few_labels(
    h: Float[Tensor, "n dim"],
    labels: Int[Tensor, " n"],
    *,
    twin: Float[Tensor, "n twin_dim"] | None,
    pixels: Float[Tensor, "n pixel_dim"] | None,
) -> FewLabels:
    """Compares encoder outputs with those of the random twin and with raw pixels, on the same labelled images.

    All rows are of clean images: on views an encoder is ahead that gained nothing on clean ones. Each image's class is
    asked of all the others (`image_votes`); what is compared is the place of its own class (`class_places`), which
    varies less than right or wrong. The interval is from random halves of the images (`halves_error`).

    Raises `InputError` for fewer than 20 labelled images, one class, or no class with two images.

    >>> h = torch.eye(2).repeat(20, 1) + 0.1 * torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    >>> noise = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    >>> few_labels(h, torch.tensor([0, 1] * 20), twin=noise, pixels=None).answer
    'yes'
    """
    classes, codes = labels.cpu().unique(return_inverse=True)
    _check(labels, classes, codes)
    half = random_halves(len(codes))
    own = _asked(h, codes, half)
    found = [
        None if rows is None else _compared(own, _asked(rows, codes, half), half) for rows in (twin, pixels)
    ]
    answer = _answer(*found)
    return FewLabels(
        labels=len(codes),
        classes=len(classes),
        alone=int((codes.bincount()[codes] == 1).sum()),
        accuracy=share_estimate(own.first, draws=1),
        twin=found[0],
        pixels=found[1],
        answer=answer,
        more=_more(found[0], len(codes)) if answer == "label more" else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Places of own classes among the votes of all others, and of those of the own half in random halves."""

    place: Float64[Tensor, " n"]
    first: Float64[Tensor, " n"]
    halved: Float64[Tensor, "splits n"]


def _asked(h: Float[Tensor, "n dim"], codes: Int[Tensor, " n"], half: Bool[Tensor, "splits n"]) -> _Asked:
    if len(h) != len(codes):
        raise InputError(f"{len(h)} rows for {len(codes)} labels; expected one row for every labelled image.")
    weights, member = image_votes(h), functional.one_hot(codes).double()
    votes, others = weights @ member, member.sum(dim=0) - member
    place, first = class_places(votes, codes, others)
    return _Asked(place=place, first=first, halved=_halved(weights, codes, member, half))


def _halved(
    weights: Float64[Tensor, "n n"],
    codes: Int[Tensor, " n"],
    member: Float64[Tensor, "n classes"],
    half: Bool[Tensor, "splits n"],
) -> Float64[Tensor, "splits n"]:
    """Places of own classes where only images of the same half vote."""
    n, classes = member.shape
    votes, count = weights @ member, member.sum(dim=0)
    places = []
    for inside in half.split(max(1, BLOCK_FLOATS // (n * classes))):
        voters = inside[:, :, None] * member
        first = (weights @ voters.permute(1, 0, 2).reshape(n, -1)).view(n, len(inside), classes).transpose(0, 1)
        counted, mine = voters.sum(dim=1, keepdim=True), inside[:, :, None]
        voted = torch.where(mine, first, votes - first)
        others = torch.where(mine, counted, count - counted) - member
        places.append(class_places(voted, codes, others)[0])
    return torch.cat(places)


def _compared(own: _Asked, other: _Asked, half: Bool[Tensor, "splits n"]) -> Compared:
    gain, n = (own.place - other.place).mean().item(), len(own.place)
    error = halves_error(own.halved - other.halved, half)
    width = stdtrit(n - 1, 0.975).item() * error
    sign = 0 if abs(gain) <= SEVERAL_LOOKS * error else (1 if gain > 0 else -1)
    return Compared(
        accuracy=share_estimate(other.first, draws=1),
        gain=Estimate(value=gain, low=max(-1.0, gain - width), high=min(1.0, gain + width)),
        error=error,
        sign=sign,
    )


def _answer(twin: Compared | None, pixels: Compared | None) -> Answer:
    if any(one is not None and one.sign < 0 for one in (twin, pixels)):
        return "no"
    return "yes" if twin is not None and twin.sign > 0 else "label more"


def _more(twin: Compared | None, labels: int) -> int | None:
    """From the present difference and its error, which shrinks as the root of the number of labels."""
    if twin is None or twin.gain.value == 0:
        return None
    needed = labels * (SEVERAL_LOOKS * twin.error / twin.gain.value) ** 2
    step = 10 ** max(1, math.floor(math.log10(needed)) - 1)
    return None if needed > MOST_ADVISED else max(math.ceil(needed / step) * step, labels + LEAST)


def _check(labels: Tensor, classes: Tensor, codes: Tensor) -> None:
    if len(labels) < LEAST:
        raise InputError(f"{len(labels)} labelled images; expected at least {LEAST}. Label more.")
    if len(classes) < 2:
        raise InputError(
            f"all {len(labels)} labelled images are of one class; expected two classes or more. Label images of others."
        )
    if int(codes.bincount().max()) < 2:
        raise InputError(
            f"{len(labels)} labelled images of {len(classes)} classes, no two of one class; nothing can be compared. "
            "Label more images of the same classes."
        )
