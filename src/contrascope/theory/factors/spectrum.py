"""How many directions the features use: singular values, and the ranks that are read off them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import require_finite, singular_values
from contrascope.spectra import exp_entropy, shares_of

NOISE = 1e-13
"""Singular values below this share of the root of the sum of all squared features are rounding, and set to 0."""

HEAD = 5
"""Leading eigenvalues left out of the power law, where at least four times as many are positive."""


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean and scatter of n rows in float64, the scatter held as a triangular root: no squares, no cancellation."""

    count: int
    """Number of rows n."""
    mean: Float64[Tensor, " dim"]
    """Mean row."""
    root: Float64[Tensor, "rank dim"]
    """R with R^T R = sum over rows of (h - mean) (h - mean)^T."""

    @property
    def covariance(self) -> Float64[Tensor, "dim dim"]:
        """Covariance about the mean, divided by n."""
        return self.root.T @ self.root / self.count

    @property
    def gram(self) -> Float64[Tensor, "dim dim"]:
        """Second moment about zero, H^T H / n."""
        return self.covariance + torch.outer(self.mean, self.mean)

    def raw_singular_values(self) -> Float64[Tensor, " rank"]:
        """The min(n, dim) singular values of the uncentred rows, falling."""
        return self._clean(torch.cat([self.root, math.sqrt(self.count) * self.mean[None]]))

    def centred_singular_values(self) -> Float64[Tensor, " rank"]:
        """The min(n, dim) singular values of the rows less their mean, falling."""
        return self._clean(self.root)

    def eigenvalues(self) -> Float64[Tensor, " rank"]:
        """The min(n, dim) largest eigenvalues of the covariance, falling."""
        return self.centred_singular_values().square() / self.count

    def _clean(self, matrix: Tensor) -> Tensor:
        values = singular_values(matrix)[: min(self.count, len(self.mean))]
        total = self.root.square().sum() + self.count * self.mean.square().sum()
        return torch.where(values > NOISE * total.sqrt(), values, 0.0)


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """Least-squares line through log eigenvalue against log rank."""

    alpha: float
    """Exponent: eigenvalue ~ rank^-alpha; 0 is a flat spectrum; nan where fewer than 3 eigenvalues are fitted."""
    r_squared: float
    """Share of the weighted variance of the log eigenvalues that the line explains; 1 where they are all equal."""
    first: int
    """First rank of the fit, from 1."""
    last: int
    """Last rank of the fit."""


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The whole spectrum of n rows and the numbers read off it."""

    count: int
    """Number of rows n."""
    singular_values: Float64[Tensor, " rank"]
    """Of the raw, uncentred rows, falling; min(n, dim) of them."""
    eigenvalues: Float64[Tensor, " rank"]
    """Of the covariance, falling; min(n, dim) of them."""
    rankme: float
    """See `rankme`: of the raw singular values."""
    effective_rank: float
    """See `effective_rank`: of the covariance eigenvalues. Not comparable with `rankme`."""
    participation_ratio: float
    """See `participation_ratio`: of the covariance eigenvalues."""
    numerical_rank: int
    """See `numerical_rank`: of the raw singular values."""
    power_law: PowerLaw
    """See `alpha_req`: of the covariance eigenvalues."""


def covariance_and_gram(
    blocks: Float[Tensor, "n dim"] | Iterable[Tensor], *, chunk_rows: int = 4096
) -> Moments:
    """Mean, covariance and second moment of rows that come as one tensor or as blocks, in one pass.

    A block of rows is centred, and its scatter is joined to the one so far by a QR decomposition (Chan's update
    of the mean), so the singular values are exact to about 1e-15 of the largest, where the usual eigenvalues of
    H^T H lose those below 1e-8 of it. Memory: 2 `chunk_rows` rows and dim x dim, in float64. A tensor over a
    memory-mapped file is read in order, once.

    >>> covariance_and_gram(torch.tensor([[1.0, 0.0], [3.0, 0.0]])).covariance.round(decimals=9).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    if chunk_rows < 1:
        raise InputError(f"chunk_rows is {chunk_rows}; expected at least 1.")
    moments = None
    for rows in _chunks([blocks] if isinstance(blocks, Tensor) else blocks, chunk_rows):
        moments = _join(moments, rows)
    if moments is None or moments.count < 2 or len(moments.mean) == 0:
        count = 0 if moments is None else moments.count
        raise InputError(
            f"the spectrum of {count} rows is not defined; expected 2 rows of 1 feature or more."
        )
    return moments


def _chunks(blocks: Iterable[Tensor], chunk_rows: int) -> Iterator[Tensor]:
    held: list[Tensor] = []
    for block in blocks:
        if block.ndim != 2 or (held and block.shape[1] != held[0].shape[1]):
            raise InputError(
                f"a block has shape {tuple(block.shape)}; expected [rows, dim], one dim for all."
            )
        require_finite(block, "h")
        for part in block.detach().split(chunk_rows):
            held.append(part.double())
            if sum(map(len, held)) >= chunk_rows:
                yield torch.cat(held)
                held = []
    if sum(map(len, held)):
        yield torch.cat(held)


def _join(moments: Moments | None, rows: Tensor) -> Moments:
    mean = rows.mean(dim=0)
    pieces, count = [rows - mean], len(rows)
    if moments is not None:
        if moments.mean.shape != mean.shape:
            raise InputError(
                f"blocks have {len(moments.mean)} and {len(mean)} features; expected one number."
            )
        count += moments.count
        shift = mean - moments.mean
        pieces += [moments.root, math.sqrt(moments.count * len(rows) / count) * shift[None]]
        mean = moments.mean + shift * (len(rows) / count)
    return Moments(count=count, mean=mean, root=torch.linalg.qr(torch.cat(pieces), mode="r").R)


def spectrum(blocks: Float[Tensor, "n dim"] | Iterable[Tensor], *, chunk_rows: int = 4096) -> Spectrum:
    """Raw singular values, covariance eigenvalues, and every rank of this module, in one pass over the rows.

    With fewer rows than features there are n values and no rank can exceed n: compare only equal n. A random
    projection or Gaussian rows of the same shape are the reference to set beside it.

    >>> spectrum(torch.eye(4)).numerical_rank
    4
    """
    moments = covariance_and_gram(blocks, chunk_rows=chunk_rows)
    raw, eigenvalues = moments.raw_singular_values(), moments.eigenvalues()
    return Spectrum(
        count=moments.count,
        singular_values=raw,
        eigenvalues=eigenvalues,
        rankme=rankme(raw),
        effective_rank=effective_rank(eigenvalues),
        participation_ratio=participation_ratio(eigenvalues),
        numerical_rank=numerical_rank(raw),
        power_law=alpha_req(eigenvalues),
    )


def rankme(values: Float[Tensor, " rank"], *, epsilon: float = 1e-7) -> float:
    """RankMe: exp of the entropy of the singular values of the raw, uncentred embedding matrix.

    Garrido et al. 2023 (arXiv:2210.02885): exp(-sum p log p), p = s / sum(s) + epsilon. Range 1 to the number
    of values, up to the effect of epsilon (less than 0.1 % for 512 values); 0 where all values are 0.

    >>> round(rankme(torch.ones(8)), 4)
    8.0
    """
    return exp_entropy(values, epsilon=epsilon)


def rankme_of(h: Float[Tensor, "n dim"], *, epsilon: float = 1e-7, chunk_rows: int = 4096) -> float:
    """`rankme` of the rows of `h`. Constant features other than zero give 1, as the mean is not taken off.

    >>> round(rankme_of(torch.eye(3)), 4)
    3.0
    """
    return rankme(covariance_and_gram(h, chunk_rows=chunk_rows).raw_singular_values(), epsilon=epsilon)


def effective_rank(eigenvalues: Float[Tensor, " rank"]) -> float:
    """Effective rank of the covariance: exp of the entropy of its eigenvalues.

    Roy and Vetterli 2007 ("The effective rank"), applied to the covariance matrix. Other code calls this number
    RankMe; the eigenvalues are squares of centred singular values, so it is lower. Range 1 to the number of
    values; 0 where all are 0 (constant features).

    >>> effective_rank(torch.tensor([2.0, 2.0, 0.0]))
    2.0
    """
    return exp_entropy(eigenvalues)


def effective_rank_of(h: Float[Tensor, "n dim"], *, chunk_rows: int = 4096) -> float:
    """`effective_rank` of the covariance of the rows of `h`.

    >>> round(effective_rank_of(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 10)
    2.0
    """
    return effective_rank(covariance_and_gram(h, chunk_rows=chunk_rows).eigenvalues())


def participation_ratio(eigenvalues: Float[Tensor, " rank"]) -> float:
    """(sum of eigenvalues)^2 / sum of their squares: 1 to the number of values; 0 where all are 0.

    >>> participation_ratio(torch.tensor([3.0, 1.0]))
    1.6
    """
    shares = shares_of(eigenvalues)
    return 0.0 if shares is None else 1 / shares.square().sum().item()


def numerical_rank(values: Float[Tensor, " rank"], *, tolerance: float = 1e-5) -> int:
    """Singular values above `tolerance` times the largest; the default is above the rounding of float32 features.

    >>> numerical_rank(torch.tensor([10.0, 1.0, 1e-6]))
    2
    """
    shares = shares_of(values)
    return 0 if shares is None else int((shares > tolerance * shares.max()).sum())


def alpha_req(eigenvalues: Float[Tensor, " rank"], *, first: int | None = None, last: int = 100) -> PowerLaw:
    """Exponent of the power law of the covariance eigenvalues (falling), and how well a line fits.

    Agrawal et al. 2022 ("alpha-ReQ"). As in their code, rank k has weight 1/k, so that equal stretches of
    log rank count alike. Fitted are the positive eigenvalues of ranks `first` to `last`; `first` is 6, or 1
    where fewer than 20 are positive. The paper expects good features near alpha = 1.

    >>> alpha_req(torch.arange(1, 50).double() ** -2.0).alpha
    2.0...
    """
    require_finite(eigenvalues[:, None], "eigenvalues")
    positive = int((eigenvalues > 0).sum())
    if first is None:
        first = HEAD + 1 if positive >= 4 * HEAD else 1
    if not 1 <= first < last:
        raise InputError(f"ranks {first} to {last} are no range to fit; expected 1 <= first < last.")
    last = min(last, positive)
    rank = torch.arange(first, last + 1, dtype=torch.float64, device=eigenvalues.device)
    if len(rank) < 3:
        return PowerLaw(alpha=math.nan, r_squared=math.nan, first=first, last=last)
    weight = rank.reciprocal() / rank.reciprocal().sum()
    x, y = rank.log(), eigenvalues[first - 1 : last].double().log()
    x, y = x - weight @ x, y - weight @ y
    slope = (weight * x) @ y / ((weight * x) @ x)
    total, left = (weight @ y.square()).item(), (weight @ (y - slope * x).square()).item()
    r_squared = 1 - left / total if total > 1e-24 else 1.0
    return PowerLaw(alpha=-slope.item(), r_squared=r_squared, first=first, last=last)
