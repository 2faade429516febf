"""Average confusion ratio and average relative confusion: does a view lie next to a view of another image?"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate, generator, images_worth, random_halves, share_estimate
from contrascope.linalg import require_finite, unit_rows

TIE = 1e-12
"""Cosine similarities that differ by less are equal."""

BLOCK_DRAWS = 1 << 22
"""Resampled values held at once."""


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

    Wang et al. 2022 (arXiv:2203.13457), as in the authors' code. Both embed the same views of the same images;
    the interval resamples images for both at once. Where the initial encoder is wholly confused, the answer is
    1 if the final one is too, else infinity.

    >>> average_relative_confusion(torch.eye(3).repeat(2, 1, 1), torch.ones(2, 3, 2)).value
    inf
    """
    clear = [
        1 - confused_images(h, max_images=max_images, chunk_rows=chunk_rows).double().cpu()
        for h in (final, initial)
    ]
    shares = torch.stack([part.mean() for part in clear])
    value = _ratio(shares[:1], shares[1:]).item()
    if draws == 0:
        return Estimate(value=value, low=value, high=value)
    if draws < 2:
        raise InputError(f"draws is {draws}; expected 0 for no interval, or at least 2.")
    source, count = generator(0, "bootstrap", "relative confusion"), len(clear[0])
    step = max(1, BLOCK_DRAWS // count)
    ratios = []
    for start in range(0, draws, step):
        index = torch.randint(count, (min(step, draws - start), count), generator=source)
        ratios.append(_ratio(clear[0][index].mean(dim=1), clear[1][index].mean(dim=1)))
    ordered = torch.cat(ratios).sort().values  # ranks, not interpolation: some may be infinite
    low, high = (ordered[round(level * (draws - 1))].item() for level in (0.025, 0.975))
    return Estimate(value=value, low=low, high=high)


def _ratio(final: Tensor, initial: Tensor) -> Tensor:
    both = (final == 0) & (initial == 0)
    return torch.where(both, 1.0, final / initial)
