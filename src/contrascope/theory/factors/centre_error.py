"""How often the nearest class centre is another class's, on images that did not make the centres."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.intervals import Estimate, generator, share_estimate, share_interval
from contrascope.theory.factors.alignment import check_views
from contrascope.theory.factors.divergence import (
    BLOCK_ROWS,
    SAME_POINT,
    class_centres,
    class_codes,
    square_scale,
)

SPLITS = 10
"""Random halves of the images from which the error of exact centres is extrapolated."""


@dataclass(frozen=True, kw_only=True)
class NearestCentreError:
    """Err(G_f), over all and for every class."""

    error: Estimate
    """Share of views whose nearest centre is another class's, in [0, 1]."""
    per_class: Float[Tensor, " classes"]
    """The same within each class."""
    classes: Int[Tensor, " classes"]
    """Labels, rising."""


def nearest_centre_error(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " n"],
    *,
    draws: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> NearestCentreError:
    """Err(G_f) = P[G_f(x) is not the class of x], G_f(x) = argmin_k ||f(x) - mu_k||, over all views.

    Huang et al. 2023 (arXiv:2111.00743), section 2. Each image is left out of the centres that judge it, so that
    none is judged by itself; one that is alone in its class has no centre and counts as wrong. Centres at the same
    distance, up to rounding, go to the lower class; so constant features err on all but the lowest class.

    The value is the error of centres made of these n images; the theory's centres are exact and err less. The
    interval holds both: its lower end is that of 2 e(n) - e(n / 2), extrapolated from centres of half the images.
    Where a class has fewer images than the features have directions, exact centres may err less still.

    >>> h = torch.tensor([[[0.0], [1.0], [9.0], [3.0]]])
    >>> nearest_centre_error(h, torch.tensor([0, 0, 1, 1])).per_class.tolist()
    [0.0, 0.5]
    """
    check_views(h)
    codes, classes = class_codes(y, h.shape[1], least=2)
    count = codes.bincount()
    wrong = _wrong(h, codes, class_centres(h, y, block_rows=block_rows)[0], block_rows, count)
    per_class = torch.zeros(len(classes), dtype=torch.float64, device=h.device).index_add_(0, codes, wrong)
    error = share_estimate(wrong, draws=draws)
    if draws:
        exact = 2 * wrong - _with_half_the_images(h, codes, block_rows)
        error = Estimate(value=error.value, low=min(error.low, _lower_end(exact)), high=error.high)
    return NearestCentreError(error=error, per_class=per_class / count, classes=classes)


def _lower_end(values: Tensor) -> float:
    """Of a share whose images may add less than 0 or more than 1."""
    share = values.mean().clamp(0, 1)
    variance = values.var().item()
    images = len(values) * (share * (1 - share)).item() / variance if variance > 0 else 0.0
    return share_interval(share.expand(len(values)), images=images or float(len(values)))[0]


def _with_half_the_images(h: Tensor, codes: Tensor, block_rows: int) -> Float[Tensor, " n"]:
    """Each image judged by centres of the half of the images that it is not in, over random splits."""
    wrong = torch.zeros(h.shape[1], dtype=torch.float64, device=h.device)
    for order in _orders(codes):
        for judged, made in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            present = codes[made].unique()
            centres, _ = class_centres(h[:, made], codes[made], block_rows=block_rows)
            known = torch.full_like(codes, -1).index_copy_(
                0, present, torch.arange(len(present), device=codes.device)
            )
            wrong[judged] += _wrong(h[:, judged], known[codes[judged]], centres, block_rows)
    return wrong / SPLITS


def _orders(codes: Tensor) -> Iterator[Int[Tensor, " n"]]:
    """Images class by class and in random order within; so every second one is half of each class."""
    source = generator(0, "halves of classes")
    for _ in range(SPLITS):
        order = torch.randperm(len(codes), generator=source).to(codes.device)
        yield order[codes[order].argsort(stable=True)]


def _wrong(
    h: Tensor, codes: Tensor, centres: Tensor, block_rows: int, count: Tensor | None = None
) -> Float[Tensor, " n"]:
    """Share of the views of each image whose nearest centre is another class's; with `count` each is left out."""
    origin = centres.mean(dim=0)
    weights = centres - origin
    half = weights.square().sum(dim=1) / 2
    parts = []
    for start in range(0, h.shape[1], block_rows):
        rows = h[:, start : start + block_rows].to(torch.float64) - origin
        own = codes[start : start + block_rows]
        score = rows @ weights.T - half
        if count is not None:
            mine = _own_score(rows, weights[own], count[own][:, None])
            score.scatter_(2, own.expand(len(h), -1)[:, :, None], mine[:, :, None])
        scale = rows.square().sum(dim=2, keepdim=True).maximum(2 * half.max())
        tie = 1e-14 * scale + SAME_POINT * square_scale(centres)
        guess = (score >= score.amax(dim=2, keepdim=True) - tie).to(torch.uint8).argmax(dim=2)
        parts.append((guess != own).double().mean(dim=0))
    return torch.cat(parts)


def _own_score(rows: Tensor, centre: Tensor, count: Tensor) -> Float[Tensor, "views rows"]:
    """Score of the centre of the own class without the image; -inf where nothing is left of it."""
    without = (count * centre - rows.mean(dim=0)) / (count - 1).clamp_min(1)
    score = (rows * without).sum(dim=2) - without.square().sum(dim=1) / 2
    return score.masked_fill(count[:, 0] == 1, -torch.inf)
