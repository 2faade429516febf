"""Which directions an operation moves features along, and which of them encoder and projector keep."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.geometry.spans import (
    column_space,
    leading_directions,
    principal_angles,
    require_rows,
    unexplained,
)


@dataclass(frozen=True, kw_only=True)
class OperationCell:
    """One operation at one layer: an entry of the operation x layer picture."""

    variance_share: float
    """Variance of the layer along the operation's directions over its total variance, 0 to 1."""
    most_share: float
    """The largest that any as many directions could have: the variance along the leading ones."""
    moved: float
    """Mean squared length of the operation's displacements over that between two images; 0 is invariance."""
    directions: int
    """Directions used; 0 where the operation moves nothing."""
    carried: float
    """Share of the displacements' squared length that these directions hold, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Tangent:
    """A linear projector's column space against a set of displacements."""

    unexplained: float
    """Share of the displacements' squared length that the projector removes, 0 to 1; eq. 10 of the paper."""
    chance: float
    """The same for a column space of this rank drawn at random: 1 - rank / dim."""
    angles: Float64[Tensor, " angle"]
    """Principal angles in radians, rising, between column space and the displacements' leading directions."""
    directions: int
    """How many leading directions that were."""


def operation_cell(
    rows: Float[Tensor, "n dim"],
    moved: Float[Tensor, "moved_n moved_dim"],
    *,
    directions: int = 10,
    chunk_rows: int = 4096,
) -> OperationCell:
    """How much of a layer's variance lies along the directions in which an operation moves it.

    `rows` are a layer's outputs of clean images and `moved` those of the same images after the operation
    (ours; Cosentino et al. 2022 argue about these directions and do not measure them). The operation's
    directions are the leading ones, at most `directions`, of the displacements moved - rows about zero; an
    equal number for every operation and layer makes the entries comparable. `moved` is E||moved - rows||^2
    over the mean squared distance of two independent rows, 2 tr Cov. Constant rows have no variance: both
    shares are 0, and so is `moved`.

    >>> rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> cell = operation_cell(rows, rows + torch.tensor([1.0, 0.0]), directions=1)
    >>> round(cell.variance_share, 6), round(cell.moved, 6)
    (0.5, 0.5)
    """
    if rows.shape != moved.shape:
        raise InputError(
            f"rows have shape {tuple(rows.shape)} and the moved ones {tuple(moved.shape)}; "
            "expected the same images in both."
        )
    require_rows(rows, 2, "rows")
    require_rows(moved, 2, "moved")
    centred = rows.double() - rows.double().mean(dim=0)
    total = centred.square().sum().item() / len(rows)
    shift = moved.double() - rows.double()
    found = leading_directions(shift, most=directions, chunk_rows=chunk_rows)
    count = found.basis.shape[1]
    if total <= 0 or count == 0:
        return OperationCell(
            variance_share=0.0, most_share=0.0, moved=0.0, directions=count, carried=found.carried
        )
    best = leading_directions(centred, most=count, chunk_rows=chunk_rows)
    return OperationCell(
        variance_share=1 - unexplained(centred, found.basis, chunk_rows=chunk_rows),
        most_share=best.carried,
        moved=shift.square().sum().item() / len(rows) / (2 * total),
        directions=count,
        carried=found.carried,
    )


def tangent(
    projector: Float[Tensor, "dim out"],
    displacements: Float[Tensor, "n moved_dim"],
    *,
    directions: int = 10,
    relative: float = 1e-6,
    chunk_rows: int = 4096,
) -> Tangent:
    """Angles between a linear projector's column space and the span of some displacements.

    `projector` is W, dim x out, as the paper writes it: for an `nn.Linear` that is `weight.T`. Displacements
    are those to the nearest negatives (section 5: W should hold them) or those of an operation (section 4: W
    should lose them). The angles use the leading `directions` of them; `unexplained` uses all.

    >>> found = tangent(torch.eye(3)[:, :1], torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    >>> found.unexplained, round(found.chance, 4), found.angles.tolist()
    (0.5, 0.6667, [0.0])
    """
    columns = column_space(projector, relative=relative)
    leading = leading_directions(displacements, most=directions, chunk_rows=chunk_rows)
    return Tangent(
        unexplained=unexplained(displacements, columns, chunk_rows=chunk_rows),
        chance=1 - columns.shape[1] / len(columns),
        angles=principal_angles(columns, leading.basis),
        directions=leading.basis.shape[1],
    )


def tangent_directions(
    rows: Float[Tensor, "n dim"],
    moved: Float[Tensor, "moved_n moved_dim"],
    strength: Float[Tensor, " strengths"],
) -> Float[Tensor, "n dim"]:
    """Finite differences (moved - rows) / strength: an estimate of the derivative in the strength at 0.

    Images of strength 0 are refused: they have no difference.

    >>> tangent_directions(torch.zeros(1, 1), torch.ones(1, 1), torch.tensor([0.5])).item()
    2.0
    """
    if rows.shape != moved.shape or len(strength) != len(rows):
        raise InputError(
            f"rows {tuple(rows.shape)}, moved {tuple(moved.shape)} and {len(strength)} strengths; "
            "expected pairs of rows with one strength each."
        )
    still = int(torch.count_nonzero(strength == 0))
    if still:
        raise InputError(
            f"{still} of {len(strength)} strengths are 0; a finite difference needs none that is."
        )
    return (moved - rows) / strength[:, None].to(rows.dtype)
