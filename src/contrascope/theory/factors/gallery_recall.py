"""Instance retrieval in a gallery of a fixed size: a number that does not depend on how many images there are."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import GROUPS, Estimate, generator, grouped_interval
from contrascope.linalg import unit_rows
from contrascope.theory.factors.retrieval import TIE

GALLERY = 100
"""Images of a gallery, the own one among them: chance is 1 %."""
NEVER = 1e-3
"""Least share, and distance from 1, that odds are taken of: a tenth of chance."""


@dataclass(frozen=True, kw_only=True)
class RecallGain:
    """How much better one encoder finds an image's other view than another encoder does, on the same views."""

    trained: Estimate
    """Share of views that find their image first among 100, in [0, 1]."""
    random: Estimate
    """The same of the reference."""
    odds: Estimate
    """Logarithm of the ratio of the odds, paired by image: 0 where both are equal, 1 where the odds are 2.7 times."""


def gallery_recall(
    h: Float[Tensor, "views n dim"], *, gallery: int = GALLERY, groups: int = GROUPS, chunk_rows: int = 512
) -> Float[Tensor, " groups_1"]:
    """Probability that a view finds its own image first among `gallery` images drawn without replacement.

    First of all images, then without each of `groups` random groups of images (for the jackknife). Exact: of m other
    images c are at least as near (by cosine, ties within 1e-12 count), so the probability of none of them among
    k = gallery - 1 is C(m - c, k) / C(m, k). Ordered pairs of views are (0, 1), (1, 2), ..., (views - 1, 0). With fewer
    images than `gallery` and two groups, all that are left are the gallery.

    >>> gallery_recall(torch.eye(4).repeat(2, 1, 1), gallery=3, groups=2).round(decimals=6).tolist()
    [1.0, 1.0, 1.0]
    """
    views, count, dim = h.shape
    if views < 2 or count < 2 or dim == 0 or gallery < 2 or groups < 0:
        raise InputError(
            f"h has shape {list(h.shape)}, gallery={gallery}, groups={groups}; expected [views, n, dim] with at least "
            "2 views of each of 2 images, a gallery of at least 2 and no negative number of groups."
        )
    groups = min(groups, count // 2)
    place = torch.randperm(count, generator=generator(0, "groups")) % max(1, groups)
    unit = [unit_rows(view.detach().double()).cpu() for view in h]
    found = [
        _recall(unit[a], unit[(a + 1) % views], place, groups, gallery, chunk_rows) for a in range(views)
    ]
    return torch.stack(found).mean(dim=0)


def recall_gain(
    trained: Float[Tensor, "views n dim"],
    random: Float[Tensor, "views n other"],
    *,
    gallery: int = GALLERY,
    groups: int = GROUPS,
) -> RecallGain:
    """Recall of both encoders in galleries of 100, and the log odds ratio, with 95 % intervals over images.

    Odds compare a gain near 0 with one near 1: from 98 to 99 % they double, as from 1 to 2 %. The jackknife leaves the
    same groups of images out of both, as queries and from galleries.

    >>> views = torch.randn(1, 200, 4, generator=torch.Generator().manual_seed(0))
    >>> found = recall_gain(views.repeat(2, 1, 1), torch.ones(2, 200, 4))
    >>> found.trained.value, found.random.value, found.odds.low > 5
    (1.0, 0.0, True)
    """
    both = (gallery_recall(rows, gallery=gallery, groups=groups)[None] for rows in (trained, random))
    return mean_gain(*both)


def mean_gain(
    trained: Float[Tensor, "kinds groups_1"], random: Float[Tensor, "kinds groups_1"]
) -> RecallGain:
    """The mean gain over several kinds of views of the same images, from their `gallery_recall`s.

    Recalls are averaged as shares, gains as log odds. The groups left out are the same for all kinds, so that the
    interval knows what they have in common.

    >>> recall = torch.tensor([[0.5, 0.5, 0.5]])
    >>> mean_gain(recall, recall).odds
    Estimate(value=0.0, low=0.0, high=0.0)
    """
    gain = (_log_odds(trained) - _log_odds(random)).mean(dim=0)
    mine, other = trained.mean(dim=0), random.mean(dim=0)
    return RecallGain(
        trained=grouped_interval(mine[0], mine[1:], within=(0.0, 1.0)),
        random=grouped_interval(other[0], other[1:], within=(0.0, 1.0)),
        odds=grouped_interval(gain[0], gain[1:]),
    )


def _log_odds(share: Tensor) -> Tensor:
    return torch.logit(share, eps=NEVER)


def _recall(
    query: Tensor, gallery: Tensor, place: Int[Tensor, " n"], groups: int, size: int, chunk_rows: int
) -> Tensor:
    """Mean probability over queries: of all images, and without each group."""
    count = len(query)
    member = torch.nn.functional.one_hot(place, max(1, groups)).float()
    ahead = torch.empty(count, max(1, groups), dtype=torch.float64)
    for start in range(0, count, chunk_rows):
        cosine = query[start : start + chunk_rows] @ gallery.T
        nearer = (cosine >= cosine.diagonal(start)[:, None] - TIE).float()
        nearer[:, start : start + len(nearer)].fill_diagonal_(0)
        ahead[start : start + len(nearer)] = (nearer @ member).double()
    sizes = torch.bincount(place, minlength=max(1, groups)).double()
    most = min(size - 1, count - 1 - int(sizes.max()) if groups else count - 1)
    whole = ahead.sum(dim=1)
    found = [_first(whole, torch.full_like(whole, count - 1), most).mean()]
    for group in range(groups):
        kept = place != group
        others = torch.full_like(whole[kept], count - 1 - float(sizes[group]))
        found.append(_first(whole[kept] - ahead[kept, group], others, most).mean())
    return torch.stack(found)


def _first(ahead: Tensor, others: Tensor, drawn: int) -> Tensor:
    """Probability that none of `ahead` of `others` images is among `drawn` of them."""
    left = others - ahead
    logs = torch.lgamma(left + 1) - torch.lgamma((left - drawn).clamp_min(0) + 1)
    logs = logs - torch.lgamma(others + 1) + torch.lgamma(others - drawn + 1)
    return torch.where(left >= drawn, logs.exp(), torch.zeros_like(logs))
