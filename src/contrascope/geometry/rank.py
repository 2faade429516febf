"""How many directions a projector keeps: rank of a matrix, and of the local Jacobian of an MLP."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.geometry.local import RowMap, local_spectra
from contrascope.linalg import singular_values
from contrascope.spectra import exp_entropy


@dataclass(frozen=True, kw_only=True)
class MatrixRank:
    """The whole spectrum of a matrix and three ranks of it."""

    singular_values: Float64[Tensor, " rank"]
    """Falling."""
    absolute: int
    """Singular values of at least the absolute threshold: Rank_tau of Cosentino et al. 2022, eq. 2."""
    relative: int
    """Singular values of at least the relative threshold times the largest."""
    effective: float
    """Exponential of the entropy of the singular values over their sum, 1 to full rank; 0 of a zero matrix."""


@dataclass(frozen=True, kw_only=True)
class LocalRank:
    """Ranks of the Jacobian of a non-linear map, one for each point."""

    absolute: Int[Tensor, " n"]
    """As in `MatrixRank`."""
    relative: Int[Tensor, " n"]
    """As in `MatrixRank`; the largest singular value is that of the same point."""
    effective: Float64[Tensor, " n"]
    """As in `MatrixRank`."""


def rank_at(
    values: Float[Tensor, "*points rank"], *, threshold: float, relative: bool
) -> Int[Tensor, "*points"]:
    """How many singular values reach `threshold`, or `threshold` times the largest of their row.

    The paper (arXiv:2205.06926, eq. 2) uses an absolute threshold and never says which. A matrix that only
    shrinks, by weight decay for instance, loses absolute rank and no relative rank. A matrix of n rows of features has
    singular values that grow as sqrt(n): its absolute rank compares between equal n only. Zeros never count.

    >>> values = torch.tensor([4.0, 1.0, 0.1])
    >>> rank_at(values, threshold=0.5, relative=False).item(), rank_at(values, threshold=0.5, relative=True).item()
    (2, 1)
    """
    if not threshold > 0:
        raise InputError(f"threshold is {threshold}; expected a number above 0.")
    if values.shape[-1] == 0:
        return torch.zeros(values.shape[:-1], dtype=torch.int64, device=values.device)
    level = threshold * values.amax(dim=-1, keepdim=True) if relative else threshold
    return ((values >= level) & (values > 0)).sum(dim=-1)


def matrix_rank(
    matrix: Float[Tensor, "rows columns"], *, absolute: float, relative: float = 1e-2
) -> MatrixRank:
    """Ranks of a projector's matrix under both thresholds, its effective rank and its spectrum.

    The relative threshold of a hundredth is ours; compare ranks under equal thresholds only.

    >>> found = matrix_rank(torch.diag(torch.tensor([2.0, 2.0, 1e-3])), absolute=1.0)
    >>> found.absolute, found.relative, round(found.effective, 2)
    (2, 2, 2.0)
    """
    if matrix.numel() == 0:
        raise InputError(f"the matrix has shape {tuple(matrix.shape)}; expected at least one row and column.")
    values = singular_values(matrix.double())
    return MatrixRank(
        singular_values=values,
        absolute=int(rank_at(values, threshold=absolute, relative=False)),
        relative=int(rank_at(values, threshold=relative, relative=True)),
        effective=exp_entropy(values),
    )


def local_rank(
    function: RowMap,
    points: Float[Tensor, "n dim"],
    *,
    absolute: float,
    relative: float = 1e-2,
    chunk_rows: int = 32,
) -> LocalRank:
    """Ranks of the Jacobian of `function` at every point: for a linear map, the rank of its matrix everywhere.

    >>> local_rank(torch.relu, torch.tensor([[1.0, -1.0], [1.0, 1.0]]), absolute=0.5).absolute.tolist()
    [1, 2]
    """
    return ranks_of(
        local_spectra(function, points, chunk_rows=chunk_rows), absolute=absolute, relative=relative
    )


def ranks_of(values: Float[Tensor, "n rank"], *, absolute: float, relative: float = 1e-2) -> LocalRank:
    """Ranks from the singular values of every point's Jacobian.

    >>> ranks_of(torch.tensor([[1.0, 0.6, 0.0]]), absolute=0.5).absolute.tolist()
    [2]
    """
    return LocalRank(
        absolute=rank_at(values, threshold=absolute, relative=False),
        relative=rank_at(values, threshold=relative, relative=True),
        effective=torch.tensor([exp_entropy(row) for row in values], dtype=torch.float64),
    )
