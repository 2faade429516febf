"""How far apart the class centres lie."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate, resample_counts
from contrascope.linalg import unit_rows
from contrascope.theory.factors.alignment import check_views
from contrascope.theory.factors.resampled import largest_interval, reflected_interval

BLOCK_ROWS = 2048
"""Images whose views are held in float64 at once."""

BLOCK_FLOATS = 1 << 23
"""Floats of the centres of one block of bootstrap draws."""

TOP_PAIRS = 500
"""Pairs of centres, the nearest ones, among which the largest number of the population is looked for."""

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
    """Delta_mu = 1 - min_k |mu_k|^2 / radius^2, unbiased; in [0, 1] where all rows have norm `radius`."""
    simplex_distance: float
    """Root mean square of the cosines of centred centres about -1 / (K - 1), the regular simplex; 0 is best."""


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
    their r, 1 for normalised features. Images are resampled within their classes. The intervals of the means take
    off what noise adds to the length of a centre; those of the maxima cover at least as often as they say
    (`largest_interval`). With two classes the simplex distance is 0 unless the centres coincide.

    >>> result = divergence(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([0, 1]))
    >>> result.max_cosine.value, result.delta_mu, result.simplex_distance < 1e-12
    (0.0, 0.0, True)
    """
    if not radius > 0:
        raise InputError(f"radius={radius}; expected the positive norm of the features, 1 if normalised.")
    check_views(h)
    codes, classes = class_codes(y, h.shape[1], least=2)
    centres, _ = class_centres(h, y, block_rows=block_rows)
    unit, rows = unit_rows(centres), mean_view(h, block_rows=block_rows)
    found: list[Estimate] = []
    for gram, limit in ((_cosines, 1.0), (_inner, math.inf)):
        drawn = class_draws(rows, codes, draws=draws, seed=seed, key="divergence") if draws else ()
        found += _pair_estimates(gram, centres, drawn, limit)
    return Divergence(
        classes=classes,
        centres=centres,
        cosines=unit @ unit.T,
        inner=centres @ centres.T,
        max_cosine=found[0],
        mean_cosine=found[1],
        max_inner=found[2],
        mean_inner=found[3],
        delta_mu=1 - _square_norms(rows, codes, centres).min().item() / radius**2,
        simplex_distance=_simplex_distance(centres),
    )


def class_draws(
    rows: Float[Tensor, "n columns"], codes: Int[Tensor, " n"], *, draws: int, seed: int, key: str
) -> Iterator[Float[Tensor, "b classes columns"]]:
    """Class means of all columns in blocks of bootstrap draws; images are resampled within their classes.

    Deviations from the class mean are stretched by sqrt(n / (n - 1)), n the images of the class, so that the spread
    of the draws is that of means of n images, not of n - 1.

    >>> rows, codes = torch.tensor([[1.0], [1.0], [3.0]]), torch.tensor([0, 0, 1])
    >>> [means.flatten().tolist() for means in class_draws(rows, codes, draws=2, seed=0, key="")]
    [[1.0, 3.0, 1.0, 3.0]]
    """
    members = rows[codes.argsort(stable=True)].split(codes.bincount().tolist())
    step = max(1, BLOCK_FLOATS // (len(members) * max(rows.shape[1], len(members))))
    counts = [
        resample_counts(len(part), draws=draws, seed=seed, key=f"{key} {place}", block=step)
        for place, part in enumerate(members)
    ]
    for block in zip(*counts, strict=True):
        means = []
        for times, part in zip(block, members, strict=True):
            middle, stretch = part.mean(dim=0), math.sqrt(len(part) / max(1, len(part) - 1))
            means.append(middle + stretch * (times.to(part) @ (part - middle)) / len(part))
        yield torch.stack(means, dim=1)


def _cosines(centres: Tensor) -> Tensor:
    unit = unit_rows(centres.flatten(0, -2)).view(centres.shape)
    return unit @ unit.mT


def _inner(centres: Tensor) -> Tensor:
    return centres @ centres.mT


def _pair_estimates(
    gram: Callable[[Tensor], Tensor], centres: Tensor, drawn: Iterable[Tensor], limit: float
) -> tuple[Estimate, Estimate]:
    """The largest and the mean number of a pair of different centres."""
    first, second = torch.triu_indices(len(centres), len(centres), 1, device=centres.device)
    values = gram(centres)[first, second].double()
    top = values.topk(min(TOP_PAIRS, len(values))).indices
    means, largest = [values.new_zeros(0)], [values.new_zeros(0, len(top))]
    for block in drawn:
        pairs = gram(block)[:, first, second].double()
        means.append(pairs.mean(dim=1))
        largest.append(pairs[:, top])
    mean = values.mean().item()
    ends = (
        largest_interval(values[top].cpu(), torch.cat(largest).cpu(), limit=limit),
        reflected_interval(mean, torch.cat(means).cpu(), limit=limit),
    )
    most, middle = (
        Estimate(value=value, low=low, high=high)
        for value, (low, high) in zip((values.max().item(), mean), ends, strict=True)
    )
    return most, middle


def _square_norms(rows: Tensor, codes: Tensor, centres: Tensor) -> Tensor:
    """|mu_k|^2 less what the noise of n_k images adds, (E |x|^2 - |mu_k|^2) / n_k; of one image as it is."""
    count = codes.bincount()
    square = centres.square().sum(dim=1)
    own = torch.zeros_like(square).index_add_(0, codes, rows.double().square().sum(dim=1)) / count
    return torch.where(count > 1, (count * square - own) / (count - 1).clamp_min(1), square).clamp_min(0)


def _simplex_distance(centres: Tensor) -> float:
    """Zero rows stand for centres that lie on the mean of all."""
    centred = centres - centres.mean(dim=0)
    square = centred.square().sum(dim=1)
    centred = torch.where((square > SAME_POINT * square_scale(centres))[:, None], centred, 0)
    unit = unit_rows(centred)
    deviation = unit @ unit.T + 1 / (len(centres) - 1)
    off = ~torch.eye(len(centres), dtype=torch.bool, device=centres.device)
    return deviation[off].square().mean().sqrt().item()


def square_scale(centres: Float[Tensor, "classes dim"]) -> Float[Tensor, ""]:
    """Largest squared norm of a centre: what `SAME_POINT` is relative to.

    >>> square_scale(torch.tensor([[3.0, 4.0], [1.0, 0.0]])).item()
    25.0
    """
    return centres.square().sum(dim=1).max()
