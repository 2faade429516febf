"""Average confusion ratio and average relative confusion: does a view lie next to a view of another image?"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import (
    SPLITS,
    Estimate,
    generator,
    half_gaps,
    images_worth,
    random_halves,
    share_estimate,
)
from contrascope.linalg import require_finite, unit_rows

TIE = 1e-12
"""Cosine similarities that differ by less are equal."""


def confused_images(
    h: Float[Tensor, "views n dim"], *, max_images: int = 2000, chunk_rows: int = 256
) -> Bool[Tensor, " images"]:
    """Per image: is the nearest neighbour of its view 0, among all views of all images, a view of another image?

    The event whose share is the confusion ratio of Wang et al. 2022 (arXiv:2203.13457), as in the authors'
    code: unit rows, Euclidean distance, the query is view 0, its own row is left out, one nearest neighbour.
    Ties (within 1e-12 of cosine) count as confused, where the authors' code lets the order decide: so collapse
    is confusion. Above `max_images` images, a fixed random sample of `max_images` of them is both queries and
    candidates. A zero row has cosine 0 with every row. Exact, in float64.

    >>> h = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [1.0, -1.0]]])
    >>> confused_images(h).tolist()
    [False, True]
    """
    return _confused(_sample(h, max_images, chunk_rows), chunk_rows)[0]


def _sample(h: Tensor, max_images: int, chunk_rows: int) -> Tensor:
    views, count, dim = h.shape
    if views < 2 or count < 2 or dim == 0:
        raise InputError(
            f"h has shape {list(h.shape)}; expected [views, n, dim] with at least 2 views of each of 2 images."
        )
    if max_images < 2 or chunk_rows < 1:
        raise InputError(
            f"max_images={max_images}, chunk_rows={chunk_rows}; expected at least 2 images and 1 row."
        )
    if count > max_images:
        order = torch.randperm(count, generator=generator(0, "confusion"))[:max_images]
        h = h[:, order.sort().values.to(h.device)]
    return h


def _confused(h: Tensor, chunk_rows: int, half: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Which images are confused, by any image [n] and by one of their own half [splits n]; without halves [0 n]."""
    views, count, _ = h.shape
    rows = h.detach().flatten(0, 1)
    require_finite(rows, "h (views one after the other)")
    rows = unit_rows(rows.double())
    first = rows.new_zeros(0, count).float() if half is None else half.float()
    confused, halved = [], []
    for start in range(0, count, chunk_rows):
        cosine = (rows[start : min(start + chunk_rows, count)] @ rows.T).view(-1, views, count)
        query = torch.arange(len(cosine), device=rows.device)
        own = cosine[query, 1:, start + query].amax(dim=1)
        cosine[query, :, start + query] = -math.inf
        ahead = cosine.amax(dim=1) >= own[:, None] - TIE
        others, of_first = ahead.sum(dim=1), first @ ahead.T.float()
        confused.append(others > 0)
        inside = first[:, start : start + len(ahead)] > 0
        halved.append(torch.where(inside, of_first, others - of_first) > 0)
    return torch.cat(confused), torch.cat(halved, dim=1)


def average_confusion_ratio(
    h: Float[Tensor, "views n dim"], *, draws: int = 0, max_images: int = 2000, chunk_rows: int = 256
) -> Estimate:
    """ACR: share of images whose view 0 has a view of another image as its nearest neighbour, 0 to 1.

    Wang et al. 2022 ("Chaos is a Ladder", arXiv:2203.13457), read from the authors' code (see
    `confused_images`). Depends on the number of images and of views: compare only equal ones.

    >>> average_confusion_ratio(torch.ones(2, 4, 3)).value
    1.0
    """
    h = _sample(h, max_images, chunk_rows)
    half = random_halves(h.shape[1]).to(h.device) if draws else None
    confused, halved = _confused(h, chunk_rows, half)
    worth = None if half is None else images_worth(halved.double(), half)
    return share_estimate(confused.double(), draws=draws, images=worth)


def average_relative_confusion(
    final: Float[Tensor, "views n dim1"],
    initial: Float[Tensor, "views n dim2"],
    *,
    draws: int = 0,
    max_images: int = 2000,
    chunk_rows: int = 256,
) -> Estimate:
    """ARC = (1 - ACR of the trained encoder) / (1 - ACR of the same encoder before training), 0 or more.

    Wang et al. 2022 (arXiv:2203.13457), as in the authors' code. Both embed the same views of the same images.
    Where the initial encoder is wholly confused, the answer is 1 if the final one is too, else infinity. The 95 %
    interval joins Wilson's ends of both shares and their correlation (Donner and Zou 2012, Statistical Methods in
    Medical Research 21); with `draws` of 0 a point.

    >>> average_relative_confusion(torch.eye(3).repeat(2, 1, 1), torch.ones(2, 3, 2)).value
    inf
    """
    if draws < 0 or draws == 1:
        raise InputError(f"draws is {draws}; expected 0 for no interval, or at least 2.")
    shares, gaps = [], []
    for h in (final, initial):
        h = _sample(h, max_images, chunk_rows)
        half = random_halves(h.shape[1], splits=SPLITS if draws else 0).to(h.device)
        confused, halved = (1 - part.double().cpu() for part in _confused(h, chunk_rows, half))
        half = half.cpu()
        worth = images_worth(halved, half) if draws else None
        shares.append(share_estimate(confused, draws=draws, images=worth))
        gaps.append(half_gaps(halved, half))
    value = _ratio(shares[0].value, shares[1].value)
    if draws == 0:
        return Estimate(value=value, low=value, high=value)
    low, high = _ratio_ends(*shares, correlation=_correlation(*gaps))
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _ratio(final: float, initial: float) -> float:
    if initial == 0:
        return 1.0 if final == 0 else math.inf
    return final / initial


def _correlation(first: Tensor, second: Tensor) -> float:
    """Of two errors whose mean is 0; 0 where one has none."""
    size = (first.square().sum() * second.square().sum()).sqrt().item()
    return (first * second).sum().item() / size if size > 0 else 0.0


def _ratio_ends(over: Estimate, under: Estimate, *, correlation: float) -> tuple[float, float]:
    """Ends of over / under from those of both and the correlation of their errors; 0 to infinity at most.

    Each is the root of a quadratic equation: over - end * under is as far from 0 as the ends of both allow.
    """
    both = over.value * under.value
    middle = both - correlation * (over.value - over.low) * (under.high - under.value)
    inner = over.low * (2 * over.value - over.low)
    root = middle + math.sqrt(max(0.0, middle**2 - inner * under.high * (2 * under.value - under.high)))
    low = inner / root if root > 0 else 0.0
    middle = both - correlation * (over.high - over.value) * (under.value - under.low)
    inner = under.low * (2 * under.value - under.low)
    root = middle + math.sqrt(max(0.0, middle**2 - inner * over.high * (2 * over.value - over.high)))
    return low, root / inner if inner > 0 else math.inf
