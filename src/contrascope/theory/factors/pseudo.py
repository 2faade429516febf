"""Pseudo-classes: k-means clusters that stand in for labels where there are none."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.linalg import require_finite, squared_distances, unit_rows
from contrascope.theory.factors.k_means import k_means

SAMPLE = 20_000
"""Rows that k-means sees at most."""

CHOICE_SAMPLE = 2_000
"""Rows that fit the candidates for k, and as many others that judge them."""

CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 100)
"""Numbers of clusters that are tried."""

STARTS = 4
"""Starts of the final k-means, of which the best is kept; candidates for k have one each."""

SAME_SILHOUETTE = 0.01
"""Silhouettes that differ by no more count as equal; on pure noise all do."""

SAME_ROW = 1e-10
"""Squared distance of unit rows from their mean below which all rows are the same up to rounding."""

BLOCK_ROWS = 8192
"""Rows whose distances to the centres are held at once."""


@dataclass(frozen=True, kw_only=True)
class PseudoClasses:
    """Clusters in place of classes: they come from the features they are then used to judge."""

    labels: Int[Tensor, " n"]
    """Cluster of every row, 0 to k - 1; each is in use."""
    k: int
    """Number of clusters in use."""
    rule: str
    """How k was found and on how many rows, in words; begins with 'pseudo-classes'."""
    silhouettes: dict[int, float]
    """Mean simplified silhouette of every k that was tried, in [0, 1]; empty where k was given."""


def pseudo_classes(
    h: Float[Tensor, "n dim"],
    *,
    k: int | None = None,
    seed: int = 0,
    sample: int = SAMPLE,
    block_rows: int = BLOCK_ROWS,
) -> PseudoClasses:
    """K-means clusters of the normalised rows; for several views pass their mean, `mean_view(h)`.

    Without k: the smallest candidate whose mean simplified silhouette on held-out rows is within 0.01 of the
    largest. It compares the distance to the own centre with that to the next, so it needs no pairs of rows
    and punishes merged and split clusters alike; held out, since the rows that made a centre lie too near to it.
    Above `sample` rows k-means sees a random sample and all rows go to the nearest centre. Rows that are all
    equal form one cluster. Fewer distinct rows than k, as with duplicates, give as many clusters as are in use.

    >>> h = torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.01, 1.0]])
    >>> found = pseudo_classes(h)
    >>> found.k, found.labels[0].item() == found.labels[1].item()
    (2, True)
    """
    _check(h, k, sample)
    source = generator(seed, "pseudo_classes")
    chosen = torch.randperm(len(h), generator=source)[:sample].sort().values
    rows = unit_rows(h.detach().cpu()[chosen].float())
    if _all_equal(rows):
        labels = torch.zeros(len(h), dtype=torch.int64, device=h.device)
        return PseudoClasses(labels=labels, k=1, rule="pseudo-classes: all rows are equal", silhouettes={})
    silhouettes: dict[int, float] = {}
    wanted = min(k or 0, len(rows))
    rule = f"pseudo-classes: k-means with the given k = {k}"
    if k is None:
        half = min(CHOICE_SAMPLE, len(rows) // 2)
        mixed = rows[torch.randperm(len(rows), generator=source)]
        part, held_out = mixed[:half], mixed[half : 2 * half]
        silhouettes = {c: _silhouette(part, held_out, c, source) for c in CANDIDATES if c < half} or {2: 0.0}
        best = max(silhouettes.values())
        wanted = min(c for c, value in silhouettes.items() if value >= best - SAME_SILHOUETTE)
        rule = (
            f"pseudo-classes: k-means, k = {wanted} the smallest of {len(silhouettes)} candidates whose "
            f"simplified silhouette ({silhouettes[wanted]:.3f}) is within {SAME_SILHOUETTE} of the largest "
            f"({best:.3f}), on {half} held-out rows"
        )
    labels = _assign(h, k_means(rows, wanted, source=source, starts=STARTS), block_rows)
    used, labels = labels.unique(return_inverse=True)
    rule += f"; fitted on {len(rows)} of {len(h)} rows"
    if len(used) < wanted:
        rule += f"; {len(used)} of {wanted} clusters are in use"
    return PseudoClasses(labels=labels, k=len(used), rule=rule, silhouettes=silhouettes)


def _check(h: Tensor, k: int | None, sample: int) -> None:
    if len(h) < 2 or h.shape[1] == 0:
        raise InputError(f"clusters of {tuple(h.shape)} features; expected at least 2 rows and 1 column.")
    if k is not None and not 1 <= k <= len(h):
        raise InputError(f"k={k} clusters of {len(h)} rows; choose 1 <= k <= {len(h)}, or leave k out.")
    if sample < max(2, k or 0):
        raise InputError(f"sample={sample} rows for k={k}; a cluster needs a row. Raise `sample`.")
    require_finite(h, "h")


def _all_equal(rows: Tensor) -> bool:
    return bool((rows - rows.mean(dim=0)).square().sum(dim=1).max() <= SAME_ROW)


def _assign(h: Tensor, centres: Tensor, block_rows: int) -> Tensor:
    """Nearest centre of every row; of equal ones the first."""
    centres = centres.to(h.device)
    blocks = (unit_rows(block.detach().float()) for block in h.split(block_rows))
    return torch.cat([squared_distances(block, centres).argmin(dim=1) for block in blocks])


def _silhouette(rows: Tensor, held_out: Tensor, k: int, source: torch.Generator) -> float:
    """Mean of 1 - a / b, a the distance to the nearest centre and b that to the second; 0 where b is 0."""
    near = (
        squared_distances(held_out, k_means(rows, k, source=source))
        .sqrt()
        .topk(2, dim=1, largest=False)
        .values
    )
    return (1 - near[:, 0] / near[:, 1].clamp_min(1e-12)).clamp_min(0).mean().item()
