"""Variance within classes against the distance of their centres, and the few-shot error it allows."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate
from contrascope.theory.factors.alignment import check_views
from contrascope.theory.factors.divergence import (
    SAME_POINT,
    class_centres,
    class_codes,
    class_draws,
    mean_view,
)
from contrascope.theory.factors.resampled import positive_interval

BLOCK_ROWS = 2048
"""Images whose views are held in float64 at once."""


@dataclass(frozen=True, kw_only=True)
class ClassVariance:
    """Class-distance normalised variance and its directional form; 0 on the diagonals."""

    classes: Int[Tensor, " classes"]
    """Labels, rising: the order of all rows and columns."""
    variance: Float[Tensor, " classes"]
    """Var_i = E |x - mu_i|^2 over the rows of class i."""
    square_distance: Float[Tensor, "classes classes"]
    """|mu_i - mu_j|^2."""
    cdnv: Float[Tensor, "classes classes"]
    """(Var_i + Var_j) / (2 |mu_i - mu_j|^2), at least 0; infinite where centres coincide."""
    directional: Float[Tensor, "classes classes"]
    """E <x - mu_i, u_ij>^2 / |mu_i - mu_j|^2, x of class i, u_ij the unit vector from mu_i to mu_j."""
    mean_cdnv: Estimate
    """Mean over ordered pairs of different classes."""
    mean_directional: Estimate
    """Mean over ordered pairs of different classes, at most twice the mean CDNV."""


@dataclass(frozen=True, kw_only=True)
class FewShotTerms:
    """S / (S + gap^2), S the sum of the others, is the directional bound of one pair; here means over pairs.

    In units of |mu_i - mu_j|^4; over ordered pairs of classes whose centres do not coincide.
    """

    gap: float
    """Expected margin over |mu_i - mu_j|^2: 1 + (Var_j - Var_i) / (shots |mu_i - mu_j|^2)."""
    row: float
    """Four times the directional variance: the row itself, along the line of centres."""
    shots: float
    """Four times the other class's directional variance / shots: the drawn centre along that line."""
    cross: float
    """The row against the noise of both drawn centres, in all directions, / shots."""
    norms: float
    """Noise of the squared norms of the drawn centres, of second order in 1 / shots, and its skewness."""


@dataclass(frozen=True, kw_only=True)
class FewShotBound:
    """A proved upper bound of the error of the nearest-centre classifier with few labels."""

    value: float
    """Bound of the error with every class equally likely, in [0, 1]."""
    vacuous: bool
    """Whether the value is at least that of guessing, 1 - 1 / classes."""
    chance: float
    """1 - 1 / classes."""
    shots: int | None
    """Labelled rows of every class; None for centres that are known exactly."""
    per_class: Float[Tensor, " classes"]
    """Bound for the rows of each class, in [0, 1]."""
    pairs: Float[Tensor, "classes classes"]
    """Bound of P[a row of class i is no nearer to its own drawn centre than to that of j]; diagonal 0."""
    directional: float
    """The value if the directional bound alone were used."""
    isotropic: float
    """The value if the bound through the variances alone (the CDNV) were used."""
    terms: FewShotTerms
    """The directional bound taken apart."""
    classes: Int[Tensor, " classes"]
    """Labels, rising."""


@dataclass(frozen=True, kw_only=True)
class _Moments:
    """Of the centred rows r of every class: E |r|^2, Var |r|^2, |Cov|_F^2; and with D_ij = mu_j - mu_i."""

    classes: Tensor
    centres: Tensor
    square_distance: Tensor
    variance: Tensor
    along: Tensor
    """E <r_i, D_ij>^2."""
    norm_variance: Tensor
    skew: Tensor
    """E <D_ij, r_j> |r_j|^2."""
    frobenius: Tensor


def class_variance(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " n"],
    *,
    draws: int = 0,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> ClassVariance:
    """CDNV and directional CDNV of every pair of classes; views are rows of their image's class.

    CDNV: V(Q_i, Q_j) = (Var_i + Var_j) / (2 |mu_i - mu_j|^2), Galanti, Gyorgy and Hutter 2022
    (arXiv:2112.15121). Directional: Luthra, Yang and Galanti 2025 (arXiv:2506.04411), of one class and
    ordered. Coinciding centres, as of constant features, give infinity. The intervals resample images
    within their classes, with the directions between centres held.

    >>> h = torch.tensor([[[-1.0], [1.0], [9.0], [11.0]]])
    >>> result = class_variance(h, torch.tensor([0, 0, 1, 1]))
    >>> result.mean_cdnv.value, result.mean_directional.value
    (0.01, 0.01)
    """
    moments = _moments(h, y, block_rows=block_rows, covariances=False)
    cdnv, directional = _normalised(moments.square_distance, moments.variance, moments.along)
    pairs = len(cdnv) * (len(cdnv) - 1)
    values = [cdnv.sum().item() / pairs, directional.sum().item() / pairs]
    ends = [(value, value) for value in values]
    if draws and math.isfinite(sum(values)):
        statistics = _draw_means(h, y, moments, draws=draws, seed=seed, block_rows=block_rows)
        ends = [positive_interval(v, column) for v, column in zip(values, statistics.T, strict=True)]
    found = [Estimate(value=v, low=low, high=high) for v, (low, high) in zip(values, ends, strict=True)]
    return ClassVariance(
        classes=moments.classes,
        variance=moments.variance,
        square_distance=moments.square_distance,
        cdnv=cdnv,
        directional=directional,
        mean_cdnv=found[0],
        mean_directional=found[1],
    )


def few_shot_bound(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " n"],
    *,
    shots: int | None,
    block_rows: int = BLOCK_ROWS,
) -> FewShotBound:
    """Upper bound of the error of nearest centres drawn from `shots` labelled rows of every class.

    Ours, after the idea of Galanti et al. 2022 and Luthra et al. 2025, but with our own constants: proof in
    docs/theory/few_shot.md. For a row x of class i and drawn centres c_i, c_j the margin
    |x - c_j|^2 - |x - c_i|^2 has known mean and variance; Cantelli bounds P[margin <= 0]. With exact centres
    that is 4 V / (1 + 4 V), V the directional CDNV. The other bound is ((2 + m^-1/2) s_i + m^-1/2 s_j)^2 /
    |mu_i - mu_j|^2, s^2 = Var; the smaller holds. Sum over j, mean over i. It holds for rows drawn
    independently from the law that the given rows form: what they miss of the population is not in it.

    >>> h = torch.tensor([[[-1.0], [1.0], [9.0], [11.0]]])
    >>> bound = few_shot_bound(h, torch.tensor([0, 0, 1, 1]), shots=None)
    >>> round(bound.value, 4), bound.vacuous
    (0.0385, False)
    """
    if shots is not None and shots < 1:
        raise InputError(f"shots={shots}; expected at least 1 labelled row a class, or None for all.")
    moments = _moments(h, y, block_rows=block_rows, covariances=True)
    share = 0.0 if shots is None else 1 / shots
    directional, terms = _directional_pairs(moments, share)
    isotropic = _isotropic_pairs(moments, share)
    pairs = torch.minimum(directional, isotropic)
    per_class = pairs.sum(dim=1).clamp_max(1)
    chance = 1 - 1 / len(pairs)
    value = per_class.mean().item()
    return FewShotBound(
        value=value,
        vacuous=value >= chance,
        chance=chance,
        shots=shots,
        per_class=per_class,
        pairs=pairs,
        directional=directional.sum(dim=1).clamp_max(1).mean().item(),
        isotropic=isotropic.sum(dim=1).clamp_max(1).mean().item(),
        terms=terms,
        classes=moments.classes,
    )


def _directional_pairs(moments: _Moments, share: float) -> tuple[Tensor, FewShotTerms]:
    """Cantelli's bound of every pair and its terms; `share` is 1 / shots."""
    square, off = moments.square_distance, _off_diagonal(moments.square_distance)
    variance, frobenius = moments.variance, moments.frobenius
    gap = 1 + share * (variance - variance[:, None]) / square
    row = 4 * moments.along / square**2
    drawn = share * 4 * moments.along.T / square**2
    root = frobenius.sqrt()
    cross = share * 4 * (frobenius[:, None] + root[:, None] * root) / square**2
    own = share**3 * moments.norm_variance + 2 * (share**2 - share**3) * frobenius
    norms = (own[:, None] + own + share**2 * 4 * moments.skew) / square**2
    noise = (row + drawn + cross + norms).clamp_min(0)
    bound = torch.where(gap > 0, noise / (noise + gap.square()), 1).nan_to_num(nan=1.0)
    apart = off & (square > 0)
    mean = [term[apart].sum().item() / max(1, int(apart.sum())) for term in (gap, row, drawn, cross, norms)]
    terms = FewShotTerms(gap=mean[0], row=mean[1], shots=mean[2], cross=mean[3], norms=mean[4])
    return bound.where(off, 0), terms


def _isotropic_pairs(moments: _Moments, share: float) -> Tensor:
    """Markov's bound of every pair through the variances alone."""
    deviation = moments.variance.sqrt()
    reach = (2 + math.sqrt(share)) * deviation[:, None] + math.sqrt(share) * deviation
    bound = reach.square() / moments.square_distance
    return bound.nan_to_num(nan=1.0).clamp_max(1).where(_off_diagonal(bound), 0)


def _normalised(square: Tensor, variance: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
    """CDNV and directional CDNV of every pair, 0 on the diagonal, infinite where centres coincide."""
    off, apart = _off_diagonal(square), square > 0
    cdnv = (variance[..., :, None] + variance[..., None, :]) / (2 * square)
    cdnv = cdnv.where(apart, torch.inf).where(off, 0)
    return cdnv, (along / square.square()).where(apart, torch.inf).where(off, 0)


def _off_diagonal(square: Tensor) -> Tensor:
    return ~torch.eye(square.shape[-1], dtype=torch.bool, device=square.device)


def _moments(h: Tensor, y: Tensor, *, block_rows: int, covariances: bool) -> _Moments:
    check_views(h)
    codes, classes = class_codes(y, h.shape[1], least=2)
    centres, _ = class_centres(h, y, block_rows=block_rows)
    centred = centres - centres.mean(dim=0)
    square = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist").square()
    square = square.where(square > SAME_POINT * centres.square().sum(dim=1).max(), 0)
    found = [
        _class_moments(h, (codes == code).nonzero().flatten(), centres, code, block_rows, covariances)
        for code in range(len(classes))
    ]
    variance, along, fourth, third, frobenius = (torch.stack(part) for part in zip(*found, strict=True))
    return _Moments(
        classes=classes,
        centres=centres,
        square_distance=square,
        variance=variance,
        along=along,
        norm_variance=(fourth - variance.square()).clamp_min(0),
        skew=(centred * third).sum(dim=1) - centred @ third.T,
        frobenius=frobenius,
    )


def _class_moments(
    h: Tensor, members: Tensor, centres: Tensor, code: int, block_rows: int, covariances: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """E |r|^2, E <r, D_ij>^2 for all j, E |r|^4, E r |r|^2 and |Cov|_F^2 of one class."""
    dim, count = h.shape[2], len(h) * len(members)
    variance, fourth, frobenius = torch.zeros(3, dtype=torch.float64, device=h.device)
    third, along = centres.new_zeros(dim), centres.new_zeros(len(centres))
    covariance = centres.new_zeros(dim, dim) if covariances else centres.new_zeros(0, 0)
    for part in members.split(block_rows):
        rows = h[:, part].flatten(0, 1).to(torch.float64) - centres[code]
        norms = rows.square().sum(dim=1)
        variance = variance + norms.sum() / count
        fourth = fourth + norms.square().sum() / count
        third += norms @ rows / count
        along += (rows @ (centres - centres[code]).T).square().sum(dim=0) / count
        if covariances:
            covariance.addmm_(rows.T, rows, alpha=1 / count)
    frobenius = covariance.square().sum()
    return variance, along, fourth, third, frobenius


def _draw_means(h: Tensor, y: Tensor, moments: _Moments, *, draws: int, seed: int, block_rows: int) -> Tensor:
    """Mean CDNV and mean directional CDNV of every draw [draws 2]; not finite without a pair."""
    codes, _ = class_codes(y, h.shape[1])
    squares = _image_squares(h, codes, moments, block_rows)
    columns = torch.cat([mean_view(h, block_rows=block_rows).to(torch.float64), squares], dim=1)
    dim, statistics = h.shape[2], []
    centred = moments.centres - moments.centres.mean(dim=0)
    for means in class_draws(columns, codes, draws=draws, seed=seed, key="class_variance"):
        centres, second, along = means[:, :, :dim], means[:, :, dim], means[:, :, dim + 1 :]
        shift = centres - moments.centres
        square = torch.cdist(centres, centres).square()
        variance = (second - shift.square().sum(dim=2)).clamp_min(0)
        off_centre = shift @ centred.T
        off_centre = off_centre - off_centre.diagonal(dim1=1, dim2=2)[:, :, None]
        spread = (along - off_centre.square()).clamp_min(0) * (square / moments.square_distance)
        both = [v.sum(dim=(1, 2)) for v in _normalised(square, variance, spread)]
        statistics.append(torch.stack(both, dim=1) / (square.shape[1] * (square.shape[1] - 1)))
    return torch.cat(statistics)


def _image_squares(h: Tensor, codes: Tensor, moments: _Moments, block_rows: int) -> Tensor:
    """Mean over views of |r|^2 and of <r, D_ij>^2 for all j, r from its class centre [n 1+classes]."""
    parts = []
    for start in range(0, h.shape[1], block_rows):
        own = codes[start : start + block_rows]
        rows = h[:, start : start + block_rows].to(torch.float64) - moments.centres[own]
        score = rows @ (moments.centres - moments.centres.mean(dim=0)).T
        along = score - score.gather(2, own.expand(len(h), -1)[:, :, None])
        parts.append(torch.cat([rows.square().sum(2, keepdim=True), along.square()], dim=2).mean(dim=0))
    return torch.cat(parts)
