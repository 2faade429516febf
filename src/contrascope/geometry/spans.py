"""Subspaces of feature space: bases, angles between them, and how much of given rows they hold."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import eigh, require_finite, singular_values, svd

SPAN = 1e-6
"""Singular values below this share of the largest add no direction to a span."""


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Leading directions of a set of rows, taken about zero and not about their mean."""

    basis: Float64[Tensor, "dim rank"]
    """Orthonormal columns, the one with most of the rows' energy first; no column where all rows are zero."""
    energy: Float64[Tensor, " rank"]
    """Mean squared length of the rows along each column, falling."""
    carried: float
    """Share of the rows' mean squared length that these columns hold, 0 to 1; 1 where all rows are zero."""


def column_space(
    matrix: Float[Tensor, "dim columns"], *, relative: float = SPAN
) -> Float64[Tensor, "dim rank"]:
    """Orthonormal basis of the span of the columns; a zero matrix has none.

    Directions with a singular value of at most `relative` times the largest are left out.

    >>> column_space(torch.tensor([[2.0, 4.0], [0.0, 0.0]])).abs().tolist()
    [[1.0], [0.0]]
    """
    u, s, _ = svd(matrix.double())
    return u[:, s > relative * s[:1]]


def second_moment(rows: Float[Tensor, "n dim"], *, chunk_rows: int = 4096) -> Float64[Tensor, "dim dim"]:
    """Mean of r r^T over the rows, in float64, `chunk_rows` at a time.

    >>> second_moment(torch.tensor([[2.0, 0.0], [0.0, 0.0]])).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    require_rows(rows, 1, "rows")
    total = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64, device=rows.device)
    for part in rows.split(chunk_rows):
        total.addmm_(part.double().T, part.double())
    return total / len(rows)


def leading_directions(
    rows: Float[Tensor, "n dim"], *, most: int, share: float = 1.0, chunk_rows: int = 4096
) -> Directions:
    """The fewest directions that hold `share` of the rows' mean squared length, at most `most` of them.

    Eigenvectors of the second moment in float64; directions below 1e-6 of the largest length are left out, as
    rounding reaches 1e-8.

    >>> leading_directions(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), most=1).carried
    0.9...
    """
    if most < 1 or not 0 < share <= 1:
        raise InputError(f"most={most}, share={share}; expected at least 1 direction and a share in (0, 1].")
    values, vectors = eigh(second_moment(rows, chunk_rows=chunk_rows))
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    total = values.sum()
    if total <= 0:
        return Directions(basis=vectors[:, :0], energy=values[:0], carried=1.0)
    held = values.cumsum(0) / total
    positive = int((values > SPAN**2 * values[0]).sum())
    count = min(most, positive, int((held < share * (1 - 1e-12)).sum()) + 1)
    return Directions(basis=vectors[:, :count], energy=values[:count], carried=held[count - 1].item())


def unexplained(
    rows: Float[Tensor, "n dim"], basis: Float[Tensor, "basis_dim rank"], *, chunk_rows: int = 4096
) -> float:
    """Share of the rows' squared length outside the span of the orthonormal columns of `basis`, 0 to 1.

    Equation 10 of Cosentino et al. 2022 (arXiv:2205.06926) for displacements as rows and
    `column_space(W)`; it equals ||(I - W W^+) D||^2 / ||D||^2. Without any length (all rows zero) nothing is
    left to explain: 0.

    >>> unexplained(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0], [0.0]]))
    0.5
    """
    require_rows(rows, 1, "rows")
    if len(basis) != rows.shape[1]:
        raise InputError(
            f"the basis is of {len(basis)} dimensions and the rows of {rows.shape[1]}; expected one number. "
            "Give the matrix as dim x columns: for an `nn.Linear` that is `weight.T`."
        )
    basis = basis.double()
    left = total = 0.0
    for part in rows.split(chunk_rows):
        exact = part.double()
        left += (exact - (exact @ basis) @ basis.T).square().sum().item()
        total += exact.square().sum().item()
    return left / total if total > 0 else 0.0


def principal_angles(
    one: Float[Tensor, "dim first"], other: Float[Tensor, "dim second"]
) -> Float64[Tensor, " angle"]:
    """Angles in radians, rising, between the spans of two orthonormal bases: min(first, second) of them.

    0 for every shared direction, pi/2 for every orthogonal one; accurate near both ends (Bjorck and Golub
    1973: from sines where the cosine is large). A basis without columns has no angle.

    >>> principal_angles(torch.eye(3)[:, :2], torch.eye(3)[:, 1:]).tolist()
    [0.0, 1.57...]
    """
    one, other = one.double(), other.double()
    if other.shape[1] > one.shape[1]:
        one, other = other, one
    if other.shape[1] == 0:
        return one.new_empty(0)
    product = one.T @ other
    cosine = singular_values(product).clamp(0, 1)
    sine = singular_values(other - one @ product).flip(0).clamp(0, 1)
    return torch.where(cosine.square() > 0.5, sine.asin(), cosine.acos())


def require_rows(rows: Float[Tensor, "n dim"], least: int, name: str) -> None:
    """Raises `InputError` for fewer than `least` rows, no feature, or a value that is not finite.

    >>> require_rows(torch.zeros(1, 2), 2, "h")
    Traceback (most recent call last):
    contrascope.errors.InputError: h has 1 rows of 2 features; expected at least 2 rows of 1 feature or more.
    """
    if len(rows) < least or rows.shape[1] == 0:
        raise InputError(
            f"{name} has {len(rows)} rows of {rows.shape[1]} features; "
            f"expected at least {least} rows of 1 feature or more."
        )
    require_finite(rows, name)
