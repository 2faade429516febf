"""The losses taken apart on any embeddings: InfoNCE and the cross-correlation loss as alignment plus the rest."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate, mean_estimate
from contrascope.linalg import unit_rows
from contrascope.theory.bounds.bound import require_between
from contrascope.theory.factors.alignment import BLOCK_ROWS, check_views

Negatives = Literal["different", "independent"]
"""The law of x-: a different image, or an independent one, which may be the anchor itself."""


@dataclass(frozen=True, kw_only=True)
class InfoNCESplit:
    """InfoNCE with one negative at temperature 1, L = L_1 + L_2, on unit embeddings."""

    loss: Estimate
    """E[-log(e^p / (e^p + e^q))], p = f(x1) . f(x2) and q = f(x1) . f(x-), in (0, 2.13]."""
    l_1: Estimate
    """L_align / 2 - 1 = -E p, in [-1, 1]."""
    l_2: Estimate
    """E log(e^p + e^q), in [log 2 - 1, log 2 + 1]."""
    l_align: Estimate
    """E ||f(x1) - f(x2)||^2 over the same pairs of views, in [0, 4]."""
    triples: int
    """Triples (x1, x2, x-) that were averaged, all of them exactly."""


@dataclass(frozen=True, kw_only=True)
class CrossCorrelation:
    """F_ij = E f_i(x1) f_j(x2) over all ordered pairs of different views, every dimension standardised."""

    matrix: Float[Tensor, "dim dim"]
    """F, float64, symmetric; row and column of a constant dimension are 0."""
    mean: Float[Tensor, " dim"]
    """Mean of every dimension over images and views."""
    std: Float[Tensor, " dim"]
    """Biased standard deviation (divisor n views) over images and views; 1 for a constant dimension."""
    active: Bool[Tensor, " dim"]
    """Dimensions that are not constant."""


@dataclass(frozen=True, kw_only=True)
class CrossCorrelationSplit:
    """The cross-correlation loss, L = (1 - weight) L_1 + weight L_2."""

    loss: float
    """(1 - weight) L_1 + weight L_2."""
    l_1: float
    """Sum over i of (1 - F_ii)^2, in [0, 4 dim]."""
    l_2: float
    """||F - I||_F^2."""
    weight: float
    """lambda of the loss."""
    l_align: Estimate
    """E ||f(x1) - f(x2)||^2 of the standardised embeddings, measured."""
    l_align_exact: float
    """2 tr(I - F) over the dimensions that are not constant: equal to the measured value."""
    l_align_bound: float
    """2 sqrt(d L_1), Lemma 4.1: never below the measured value."""
    constant: int
    """Dimensions that do not vary; each counts as F_ii = 0 and adds 1 to L_1."""


def info_nce_split(
    h: Float[Tensor, "views n dim"],
    *,
    negatives: Negatives = "different",
    every_view: bool = False,
    draws: int = 0,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> InfoNCESplit:
    """L_1 = L_align / 2 - 1 and L_2 = E log(e^(f(x1) . f(x2)) + e^(f(x1) . f(x-))), f normalised.

    Huang et al. 2023 (arXiv:2111.00743), section 3. Exact over all pairs of images: x1 is view 0, x2 and x-
    are views 1; with `every_view` over all ordered pairs of different views (x1, x2) and all views of x-,
    views^2 (views - 1) times the work. The theorems need "independent" negatives; the difference is of order
    1/n. The intervals count what an image adds as anchor and as negative (both Hajek terms).

    >>> split = info_nce_split(torch.eye(2).expand(2, 2, 2))
    >>> round(split.l_1.value, 6), round(split.l_2.value, 4)
    (-1.0, 1.3133)
    """
    _check_unit(h, negatives)
    views = range(len(h)) if every_view else range(2)
    pairs = [(a, b) for a in views for b in views if a != b] if every_view else [(0, 1)]
    n = h.shape[1]
    positive, spread, against = torch.zeros(3, n, dtype=torch.float64)
    for a in dict.fromkeys(a for a, _ in pairs):
        anchors = unit_rows(h[a])
        for start, cosines in _positive_cosines(h, anchors, [b for x, b in pairs if x == a], block_rows):
            rows = slice(start, start + cosines.shape[1])
            positive[rows] += cosines.double().sum(dim=0).cpu()
            for c in views if every_view else [1]:
                of_anchors, of_negatives = _log_sums(
                    anchors[rows], unit_rows(h[c]), cosines, start, negatives
                )
                spread[rows] += of_anchors
                against += of_negatives
    others = n - (negatives == "different")
    positive /= len(pairs)
    spread, against = (
        both / (others * len(pairs) * (len(views) if every_view else 1)) for both in (spread, against)
    )
    spread = spread + against - against.mean()  # the mean stays: both means are the same

    def estimate(values: Tensor, low: float, high: float) -> Estimate:
        return mean_estimate(values, draws=draws, seed=seed, key="info_nce_split", within=(low, high))

    return InfoNCESplit(
        loss=estimate(spread - positive, 0.0, math.inf),
        l_1=estimate(-positive, -1.0, 1.0),
        l_2=estimate(spread, math.log(2) - 1, math.log(2) + 1),
        l_align=estimate(2 - 2 * positive, 0.0, 4.0),
        triples=n * others * len(pairs) * (len(views) if every_view else 1),
    )


def _check_unit(h: Tensor, negatives: str) -> None:
    check_views(h, least=2)
    if negatives == "different" and h.shape[1] < 2:
        raise InputError("h has 1 image; a negative is a view of another one. Embed at least 2 images.")
    for index, view in enumerate(h):
        zero = (torch.linalg.vector_norm(view, dim=1) == 0).nonzero().flatten()
        if len(zero):
            raise InputError(
                f"h[{index}]: row {int(zero[0])} is zero ({len(zero)} rows are) and has no direction; "
                "normalised features need non-zero rows. Drop these images, or look for dead units."
            )


def _positive_cosines(
    h: Tensor, anchors: Tensor, positives: list[int], block_rows: int
) -> Iterator[tuple[int, Tensor]]:
    """First image and f(x1) . f(x2) = 1 - ||f(x1) - f(x2)||^2 / 2 of a block of images, [positives rows]."""
    for start in range(0, len(anchors), block_rows):
        block = anchors[start : start + block_rows].double()
        others = [unit_rows(h[b, start : start + block_rows].double()) for b in positives]
        yield start, torch.stack([1 - (block - other).square().sum(dim=1) / 2 for other in others])


def _log_sums(
    anchors: Tensor, bank: Tensor, cosines: Tensor, start: int, negatives: str
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " n"]]:
    """Sums over the positives of log(e^p + e^q) over all x-, and over these anchors for every x-; float64, CPU."""
    q = anchors @ bank.T
    total, against = (torch.zeros(len(x), dtype=torch.float64, device=bank.device) for x in (anchors, bank))
    own = torch.arange(len(anchors), device=bank.device)
    for p in cosines.to(q.dtype):
        both = torch.logaddexp(q, p[:, None])
        if negatives == "different":
            both[own, start + own] = 0
        total += both.sum(dim=1, dtype=torch.float64)
        against += both.sum(dim=0, dtype=torch.float64)
    return total.cpu(), against.cpu()


def cross_correlation(h: Float[Tensor, "views n dim"], *, block_rows: int = BLOCK_ROWS) -> CrossCorrelation:
    """F of Huang et al. 2023, section 4, over all ordered pairs of different views, in float64.

    Standardised over images and views together with the biased standard deviation, so that E f_i = 0 and
    E f_i^2 = 1 hold exactly for both views. A constant dimension becomes 0.

    >>> cross_correlation(torch.tensor([[[1.0], [-1.0]], [[1.0], [-1.0]]])).matrix.tolist()
    [[1.0]]
    """
    check_views(h, least=2)
    views, n, dim = h.shape
    starts = range(0, n, block_rows)
    total = torch.zeros(dim, dtype=torch.float64, device=h.device)
    for start in starts:
        total += h[:, start : start + block_rows].double().sum(dim=(0, 1))
    mean = total / (views * n)
    own, summed = torch.zeros(2, dim, dim, dtype=torch.float64, device=h.device)
    for start in starts:
        block = h[:, start : start + block_rows].double() - mean
        rows, sums = block.flatten(0, 1), block.sum(dim=0)
        own.addmm_(rows.T, rows)
        summed.addmm_(sums.T, sums)
    variance = own.diagonal() / (views * n)
    active = variance > 1e-24 * mean.square() + torch.finfo(torch.float64).tiny
    std = torch.where(active, variance, torch.ones_like(variance)).sqrt()
    matrix = (summed - own) / (n * views * (views - 1)) / std / std[:, None]
    matrix = matrix * (active & active[:, None])
    return CrossCorrelation(matrix=matrix, mean=mean, std=std, active=active)


def cross_correlation_split(
    h: Float[Tensor, "views n dim"],
    *,
    weight: float,
    draws: int = 0,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> CrossCorrelationSplit:
    """(1 - weight) sum (1 - F_ii)^2 + weight ||F - I||_F^2, and what it says about alignment.

    Huang et al. 2023, section 4 and Lemma 4.1; L_align = 2 tr(I - F) is exact under E f_i^2 = 1. With m views
    F is the mean over ordered pairs. Only L_align has an interval.

    >>> split = cross_correlation_split(torch.tensor([[[1.0], [-1.0]], [[1.0], [-1.0]]]), weight=0.5)
    >>> split.loss, split.l_align.value
    (0.0, 0.0)
    """
    require_between(0, 1, weight=weight)
    f = cross_correlation(h, block_rows=block_rows)
    dim = len(f.mean)
    gaps = 1 - f.matrix.diagonal()
    identity = torch.eye(dim, dtype=torch.float64, device=h.device)
    l_1, l_2 = gaps.square().sum().item(), (f.matrix - identity).square().sum().item()
    influence = torch.cat([_influences(block, f) for block in h.split(block_rows, dim=1)])
    return CrossCorrelationSplit(
        loss=(1 - weight) * l_1 + weight * l_2,
        l_1=l_1,
        l_2=l_2,
        weight=weight,
        l_align=mean_estimate(
            influence, draws=draws, seed=seed, key="cross_correlation_split", within=(0.0, math.inf)
        ),
        l_align_exact=2 * gaps[f.active].sum().item(),
        l_align_bound=2 * (dim * l_1) ** 0.5,
        constant=int((~f.active).sum()),
    )


def _influences(block: Tensor, f: CrossCorrelation) -> Float[Tensor, " rows"]:
    """What every image adds to L_align: its own spread, less what it adds to the variance that all are divided by."""
    scale = f.active / f.std
    centred = (block.double() - f.mean) * scale
    shifted = (block.double() - block[:1].double()) * scale  # a common shift: equal views give exactly 0
    spread = 2 / (len(block) - 1) * (shifted - shifted.mean(dim=0)).square().sum(dim=(0, 2))
    own = f.active * (1 - centred.square().mean(dim=0))
    return spread + own @ (2 * (1 - f.matrix.diagonal()) * f.active)
