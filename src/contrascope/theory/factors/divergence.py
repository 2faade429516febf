"""How far apart the class centres lie, and how often the nearest one is another class's."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate, centred_interval, mean_estimate, resample_counts
from contrascope.linalg import unit_rows
from contrascope.theory.factors.alignment import check_views

BLOCK_ROWS = 2048
"""Images whose views are held in float64 at once."""

BLOCK_FLOATS = 1 << 23
"""Floats of the centres of one block of bootstrap draws."""

SAME_POINT = 1e-24
"""Squared distance, relative to the largest squared norm, below which two centres are the same point."""


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The class centres against each other. Means and maxima are over pairs of different classes."""

    classes: Int[Tensor, " classes"]
    """Labels, rising: the order of all rows and columns."""
    centres: Float[Tensor, "classes dim"]
    """mu_k: mean over the images of class k and their views."""
    cosines: Float[Tensor, "classes classes"]
    """mu_k . mu_l / (|mu_k| |mu_l|), in [-1, 1]; 0 with a zero centre."""
    inner: Float[Tensor, "classes classes"]
    """mu_k . mu_l, the divergence of the theory; smaller is better."""
    max_cosine: Estimate
    """Largest cosine of two different centres."""
    mean_cosine: Estimate
    """Mean cosine of two different centres."""
    max_inner: Estimate
    """Largest inner product: what the main theorem compares with its threshold."""
    mean_inner: Estimate
    """Mean inner product of two different centres."""
    delta_mu: float
    """Delta_mu = 1 - min_k |mu_k|^2 / radius^2; in [0, 1] where all rows have norm `radius`."""
    simplex_distance: float
    """Root mean square of the cosines of centred centres about -1 / (K - 1), the regular simplex; 0 is best."""


@dataclass(frozen=True, kw_only=True)
class NearestCentreError:
    """Err(G_f), over all and for every class."""

    error: Estimate
    """Share of views whose nearest centre is another class's, in [0, 1]."""
    per_class: Float[Tensor, " classes"]
    """The same within each class."""
    classes: Int[Tensor, " classes"]
    """Labels, rising."""


def class_codes(
    y: Int[Tensor, " labels"], n: int, *, least: int = 1
) -> tuple[Int[Tensor, " labels"], Int[Tensor, " classes"]]:
    """Every label's place among the sorted labels, and these; `InputError` where too few classes or labels.

    >>> class_codes(torch.tensor([7, 5, 7]), 3)[0].tolist()
    [1, 0, 1]
    """
    if len(y) != n:
        raise InputError(f"{len(y)} labels for {n} images; give one label an image, views share it.")
    classes, codes = y.unique(return_inverse=True)
    if len(classes) < least:
        raise InputError(
            f"the labels name {len(classes)} class; expected at least {least}, since this compares "
            "classes. Check the label column, or leave the labels out."
        )
    return codes, classes


def mean_view(h: Float[Tensor, "views n dim"], *, block_rows: int = BLOCK_ROWS) -> Float[Tensor, "n dim"]:
    """Mean of the views of every image, in the precision of `h`; one view is returned as it is.

    >>> mean_view(torch.tensor([[[0.0]], [[3.0]]])).tolist()
    [[1.5]]
    """
    if len(h) == 1:
        return h[0]
    blocks = h.split(block_rows, dim=1)
    return torch.cat([block.to(torch.float64).mean(dim=0).to(h.dtype) for block in blocks])


def class_centres(
    h: Float[Tensor, "views n dim"], y: Int[Tensor, " n"], *, block_rows: int = BLOCK_ROWS
) -> tuple[Float[Tensor, "classes dim"], Int[Tensor, " classes"]]:
    """mu_k, the mean over the images of class k and over their views, in float64; and the classes, rising.

    Huang et al. 2023 (arXiv:2111.00743), section 2. For normalised features pass `unit_views(h)`; the
    centres are not normalised again.

    >>> class_centres(torch.tensor([[[0.0], [2.0]], [[1.0], [4.0]]]), torch.tensor([5, 7]))
    (tensor([[0.5000], [3.0000]], dtype=torch.float64), tensor([5, 7]))
    """
    check_views(h)
    codes, classes = class_codes(y, h.shape[1])
    total = torch.zeros(len(classes), h.shape[2], dtype=torch.float64, device=h.device)
    for start in range(0, h.shape[1], block_rows):
        part = h[:, start : start + block_rows].to(torch.float64).mean(dim=0)
        total.index_add_(0, codes[start : start + block_rows], part)
    return total / codes.bincount()[:, None], classes


def divergence(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " n"],
    *,
    radius: float = 1.0,
    draws: int = 0,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> Divergence:
    """All cosines and inner products of the class centres, with bootstrap intervals over images.

    Huang et al. 2023, section 2: classes are told apart once mu_k . mu_l is below a threshold. `radius` is
    their r, 1 for normalised features. Images are resampled from the whole set: a class that is absent from
    a draw takes no part in it. The intervals are the spread of the draws, laid around the value. With two
    classes the simplex distance is 0 unless the centres coincide.

    >>> result = divergence(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([0, 1]))
    >>> result.max_cosine.value, result.delta_mu, result.simplex_distance < 1e-12
    (0.0, 0.0, True)
    """
    if not radius > 0:
        raise InputError(f"radius={radius}; expected the positive norm of the features, 1 if normalised.")
    check_views(h)
    codes, classes = class_codes(y, h.shape[1], least=2)
    centres, _ = class_centres(h, y, block_rows=block_rows)
    unit = unit_rows(centres)
    values = _pair_statistics(
        centres[None], torch.ones(1, len(classes), dtype=torch.float32, device=h.device)
    )[0].tolist()
    ends = [(value, value) for value in values]
    if draws:
        rows = mean_view(h, block_rows=block_rows)
        drawn = class_draws(rows, codes, draws=draws, seed=seed, key="divergence")
        statistics = torch.cat([_pair_statistics(means, mass) for means, mass in drawn]).cpu()
        kept = statistics[statistics.isfinite().all(dim=1)].T
        ends = [
            centred_interval(value, column, within=(-limit, limit))
            for value, column, limit in zip(values, kept, (1.0, 1.0, torch.inf, torch.inf), strict=True)
        ]
    found = [Estimate(value=v, low=low, high=high) for v, (low, high) in zip(values, ends, strict=True)]
    return Divergence(
        classes=classes,
        centres=centres,
        cosines=unit @ unit.T,
        inner=centres @ centres.T,
        max_cosine=found[0],
        mean_cosine=found[1],
        max_inner=found[2],
        mean_inner=found[3],
        delta_mu=1 - centres.square().sum(dim=1).min().item() / radius**2,
        simplex_distance=_simplex_distance(centres),
    )


def class_draws(
    rows: Float[Tensor, "n columns"], codes: Int[Tensor, " n"], *, draws: int, seed: int, key: str
) -> Iterator[tuple[Float[Tensor, "b classes columns"], Float[Tensor, "b classes"]]]:
    """Class means of all columns in blocks of bootstrap draws, and how many images each class has in them.

    Images are resampled from the whole set; the mean of a class that is absent from a draw is 0.

    >>> rows, codes = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0])
    >>> [mass.tolist() for _, mass in class_draws(rows, codes, draws=2, seed=0, key="")]
    [[[2.0], [2.0]]]
    """
    order = codes.argsort(stable=True)
    sizes = codes.bincount().tolist()
    members = rows[order].split(sizes)
    step = max(1, BLOCK_FLOATS // (len(sizes) * max(rows.shape[1], len(sizes))))
    for block in resample_counts(len(rows), draws=draws, seed=seed, key=key):
        for counts in block.to(device=rows.device, dtype=rows.dtype).split(step):
            shares = counts[:, order].split(sizes, dim=1)
            total = torch.stack([w @ part for w, part in zip(shares, members, strict=True)], dim=1)
            mass = torch.stack([w.sum(dim=1) for w in shares], dim=1)
            yield total / mass.clamp_min(1)[:, :, None], mass


def _pair_statistics(centres: Tensor, mass: Tensor) -> Tensor:
    """Largest and mean cosine, largest and mean inner product [draws 4]; not finite without a pair."""
    present = mass > 0
    pairs = present[:, :, None] & present[:, None, :]
    pairs.diagonal(dim1=1, dim2=2).fill_(False)
    inner = centres @ centres.mT
    unit = unit_rows(centres.flatten(0, 1)).view(centres.shape)
    columns = []
    for gram in (unit @ unit.mT, inner):
        columns.append(gram.masked_fill(~pairs, -torch.inf).amax(dim=(1, 2)))
        columns.append(gram.masked_fill(~pairs, 0).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)))
    return torch.stack(columns, dim=1).double()


def _simplex_distance(centres: Tensor) -> float:
    """Zero rows stand for centres that lie on the mean of all."""
    centred = centres - centres.mean(dim=0)
    square = centred.square().sum(dim=1)
    centred = torch.where((square > SAME_POINT * _scale(centres))[:, None], centred, 0)
    unit = unit_rows(centred)
    deviation = unit @ unit.T + 1 / (len(centres) - 1)
    off = ~torch.eye(len(centres), dtype=torch.bool, device=centres.device)
    return deviation[off].square().mean().sqrt().item()


def _scale(centres: Tensor) -> Tensor:
    return centres.square().sum(dim=1).max()


def nearest_centre_error(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " n"],
    *,
    draws: int = 0,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> NearestCentreError:
    """Err(G_f) = P[G_f(x) is not the class of x], G_f(x) = argmin_k ||f(x) - mu_k||, over all views.

    Huang et al. 2023, section 2, on the rows that made the centres. Centres at the same distance, up to
    rounding, go to the lower class; so constant features err on all but the lowest class. The interval
    resamples images, with the centres as they are.

    >>> h = torch.tensor([[[0.0], [1.0], [9.0], [3.0]]])
    >>> nearest_centre_error(h, torch.tensor([0, 0, 1, 1])).error.value
    0.25
    """
    check_views(h)
    codes, classes = class_codes(y, h.shape[1], least=2)
    centres, _ = class_centres(h, y, block_rows=block_rows)
    origin = centres.mean(dim=0)
    weights = centres - origin
    half = weights.square().sum(dim=1) / 2
    parts = []
    for start in range(0, h.shape[1], block_rows):
        block = h[:, start : start + block_rows].to(torch.float64)
        rows = block - origin
        score = rows @ weights.T - half
        scale = rows.square().sum(dim=2, keepdim=True).maximum(2 * half.max())
        tie = 1e-14 * scale + SAME_POINT * _scale(centres)
        guess = (score >= score.amax(dim=2, keepdim=True) - tie).to(torch.uint8).argmax(dim=2)
        parts.append((guess != codes[start : start + block_rows]).double().mean(dim=0))
    wrong = torch.cat(parts)
    per_class = torch.zeros(len(classes), dtype=torch.float64, device=h.device).index_add_(0, codes, wrong)
    return NearestCentreError(
        error=mean_estimate(wrong, draws=draws, seed=seed, key="nearest_centre_error"),
        per_class=per_class / codes.bincount(),
        classes=classes,
    )
