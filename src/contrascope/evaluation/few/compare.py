"""Is a representation useful for these classes? A paired comparison on a few labelled images."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from scipy.special import stdtrit
from torch import Tensor

from contrascope.errors import InputError
from contrascope.evaluation.few.precision import Precision, mean_difference, neighbour_precision
from contrascope.intervals import Estimate, generator, share_estimate

Answer = Literal["yes", "no", "label more"]
LEAST = 40
"""Labelled images below which nothing is answered: the error of fewer is too uncertain."""
BOUNDARY = 2.268
"""Errors that a difference must be away from 0. One may look six times, each time with twice the labels: chance goes
beyond it on the wrong side at one of them in 5 % of cases (by simulation: `tests/evaluation/test_few_labels.py`)."""
MOST = 4000
"""Labelled images that are compared, drawn at random of more."""
MOST_ADVISED = 20_000
"""Labels beyond which no number is advised."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The difference to another representation of the same images."""

    accuracy: Estimate
    """Share of images that their neighbours put into their class, in the other representation."""
    gain: Estimate
    """How much more of its own class an image finds nearby, -1 to 1, with its 95 % interval."""
    error: float
    """Standard error of `gain`, every image counts as the one that asks and as a neighbour."""
    sign: Literal[-1, 0, 1]
    """1: better than the other; -1: worse; 0: not told apart. The wrong one of 1 and -1 in at most 5 % of cases."""


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
    """Share of images that their neighbours put into their class."""
    twin: Compared | None
    """Beside the same network with random weights; None where there is none."""
    pixels: Compared | None
    """Beside raw pixels; None where there are none."""
    answer: Answer
    """yes: better than random weights, and not found worse than raw pixels; no: worse than one of the two."""
    more: int | None
    """About how many labels in all would decide; None where it is decided, or where 20,000 would not do."""


def few_labels(
    h: Float[Tensor, "rows dim"],
    labels: Int[Tensor, " n"],
    *,
    twin: Float[Tensor, "twin_rows twin_dim"] | None,
    pixels: Float[Tensor, "pixel_rows pixel_dim"] | None,
) -> FewLabels:
    """Compares encoder outputs with those of the random twin and with raw pixels, on the same labelled images.

    All rows are of clean images: on views an encoder is ahead that gained nothing on clean ones. What is compared is
    how much of its own class every image finds nearby (`neighbour_precision`). One may look again with more labels: the
    wrong side comes out in at most 5 % of cases over six looks, each at twice the labels of the one before.

    Raises `InputError` for fewer than 40 labelled images, one class, or no class with two images.

    >>> h = torch.eye(2).repeat(40, 1) + 0.1 * torch.randn(80, 2, generator=torch.Generator().manual_seed(0))
    >>> noise = torch.randn(80, 2, generator=torch.Generator().manual_seed(1))
    >>> few_labels(h, torch.tensor([0, 1] * 40), twin=noise, pixels=None).answer
    'yes'
    """
    some = torch.randperm(len(labels), generator=generator(0, "labelled"))[:MOST].sort().values
    classes, codes = labels.cpu()[some].unique(return_inverse=True)
    _check(codes, classes)
    parts = [None if rows is None else _rows(rows, labels, some) for rows in (twin, pixels)]
    own = neighbour_precision(_rows(h, labels, some), codes)
    found = [None if rows is None else _compared(own, neighbour_precision(rows, codes)) for rows in parts]
    answer = _answer(*found)
    return FewLabels(
        labels=len(codes),
        classes=len(classes),
        alone=int((codes.bincount()[codes] == 1).sum()),
        accuracy=share_estimate(own.right, draws=1),
        twin=found[0],
        pixels=found[1],
        answer=answer,
        more=_more(found[0], len(codes)) if answer == "label more" else None,
    )


def _rows(rows: Tensor, labels: Tensor, some: Tensor) -> Tensor:
    if len(rows) != len(labels):
        raise InputError(
            f"{len(rows)} rows for {len(labels)} labels; expected one row for every labelled image."
        )
    return rows[some.to(rows.device)]


def _compared(own: Precision, other: Precision) -> Compared:
    gain, error = mean_difference(own, other)
    width = stdtrit(len(own.score) / 3, 0.975).item() * error  # the error of the error; by simulation
    sign = 0 if abs(gain) <= BOUNDARY * error else (1 if gain > 0 else -1)
    return Compared(
        accuracy=share_estimate(other.right, draws=1),
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
    needed = labels * (BOUNDARY * twin.error / twin.gain.value) ** 2
    step = 10 ** max(1, math.floor(math.log10(needed)) - 1)
    return None if needed > MOST_ADVISED else max(math.ceil(needed / step) * step, labels + LEAST)


def _check(codes: Tensor, classes: Tensor) -> None:
    if len(codes) < LEAST:
        raise InputError(f"{len(codes)} labelled images; expected at least {LEAST}. Label more.")
    if len(classes) < 2:
        raise InputError(
            f"all {len(codes)} labelled images are of one class; expected two classes or more. Label images of others."
        )
    if int(codes.bincount().max()) < 2:
        raise InputError(
            f"{len(codes)} labelled images of {len(classes)} classes, no two of one class; nothing can be compared. "
            "Label more images of the same classes."
        )
