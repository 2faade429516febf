"""Instance retrieval: does a view of an image find another view of it among all images?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate, images_worth, random_halves, share_estimate
from contrascope.linalg import require_finite, unit_rows

TIE = 1e-12
"""Cosine similarities that differ by less are equal."""


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Where an image's own other view stands among one view of every image."""

    recall: dict[int, Estimate]
    """k -> share of queries whose own other view is among the k nearest, 0 to 1; chance is k / n."""
    rank: Float64[Tensor, " n"]
    """Rank of the own other view per image, 1 to n, mean over the pairs of views."""
    median_rank: float
    """Median over images of `rank`."""
    rank_90: float
    """90th percentile over images of `rank`."""


def instance_retrieval(
    h: Float[Tensor, "views n dim"],
    *,
    k: Sequence[int] = (1, 5),
    pairs: int = 1,
    draws: int = 0,
    chunk_rows: int = 512,
) -> Retrieval:
    """Recall at k and rank of an image's own view: query is view a, gallery is view b of all n images, by cosine.

    Ordered pairs (a, b) are (0, 1), (1, 2), ..., (views - 1, 0), the first `pairs` of them: with 2 views and
    pairs=2, both directions. rank = 1 + number of other images whose view b is at least as near (within 1e-12
    of cosine) as the own one: ties count against, so constant features have rank n and recall 0 for k < n. A
    zero row has cosine 0 with every row. Exact, in float64: 2 n^2 dim operations a pair. A number of n: compare
    only equal n.

    >>> h = torch.eye(3).repeat(2, 1, 1)
    >>> instance_retrieval(h, k=(1,)).recall[1].value
    1.0
    """
    views, count, dim = h.shape
    if views < 2 or count < 2 or dim == 0:
        raise InputError(
            f"h has shape {list(h.shape)}; expected [views, n, dim] with at least 2 views of each of 2 images."
        )
    if not 1 <= pairs <= views or chunk_rows < 1 or not k or min(k) < 1:
        raise InputError(
            f"pairs={pairs}, chunk_rows={chunk_rows}, k={tuple(k)}; expected 1 <= pairs <= views={views}, "
            "chunk_rows >= 1 and every k >= 1."
        )
    half = random_halves(count).to(h.device) if draws else None
    found = [_ranks(h[a], h[(a + 1) % views], half, chunk_rows) for a in range(pairs)]
    ranks, halved = (torch.stack(part) for part in zip(*found, strict=True))
    rank = ranks.double().mean(dim=0)
    median, high = torch.quantile(rank, rank.new_tensor([0.5, 0.9])).tolist()
    recall = {}
    for at in k:
        worth = None if half is None else images_worth((halved <= at).double().mean(dim=0), half)
        recall[at] = share_estimate((ranks <= at).double().mean(dim=0), draws=draws, images=worth)
    return Retrieval(recall=recall, rank=rank, median_rank=median, rank_90=high)


def _ranks(query: Tensor, gallery: Tensor, half: Tensor | None, chunk_rows: int) -> tuple[Tensor, Tensor]:
    """Ranks among all images [n], and among those of the same half [splits n]; without halves [0 n]."""
    require_finite(query, "h (queries)")
    require_finite(gallery, "h (gallery)")
    gallery = unit_rows(gallery.detach().double())
    first = gallery.new_zeros(0, len(gallery)).float() if half is None else half.float()
    ranks, halved = [], []
    for start in range(0, len(query), chunk_rows):
        cosine = unit_rows(query[start : start + chunk_rows].detach().double()) @ gallery.T
        ahead = cosine >= cosine.diagonal(start)[:, None] - TIE
        rank, inside = ahead.sum(dim=1), first[:, start : start + len(ahead)] > 0
        of_first = first @ ahead.T.float()
        ranks.append(rank)
        halved.append(torch.where(inside, of_first, rank - of_first))
    return torch.cat(ranks), torch.cat(halved, dim=1)
