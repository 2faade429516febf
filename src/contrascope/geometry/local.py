"""The linear map that a projector is near a point: its Jacobian, and what that Jacobian reaches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.geometry.regions import Network, local_grams, local_maps
from contrascope.geometry.spans import require_rows

RowMap = Callable[[Tensor], Tensor] | Network
"""Rows [n dim] to rows [n out], each by itself (batch norm in evaluation mode); or a ReLU network as its affine
layers, whose Jacobians are products of matrices and cost a fraction."""

MOST_VALUES = 1 << 22
"""Values of the Jacobians that are differentiated at once; what lies between takes a multiple of it."""


def local_jacobians(
    function: RowMap, points: Float[Tensor, "n dim"], *, chunk_rows: int = 32
) -> Iterator[tuple[int, Float64[Tensor, "rows out dim"]]]:
    """Pairs (first row, Jacobians of `function` at these rows), `chunk_rows` at a time.

    For a ReLU network it is the transposed W_omega of the region that holds the point (Cosentino et al. 2022,
    section 5); on a boundary it is one of its neighbours'.

    >>> matrix = torch.tensor([[1.0, 2.0]])
    >>> [(start, block.tolist()) for start, block in local_jacobians(lambda x: x @ matrix.T, torch.zeros(1, 2))]
    [(0, [[[1.0, 2.0]]])]
    """
    require_rows(points, 1, "points")
    if chunk_rows < 1:
        raise InputError(f"chunk_rows is {chunk_rows}; expected at least 1.")
    if not callable(function):
        yield from local_maps(function, points)
        return

    def one(row: Tensor) -> Tensor:
        return function(row[None])[0]

    out, dim = len(one(points[0])), points.shape[1]
    jacobian = torch.func.vmap((torch.func.jacfwd if out > dim else torch.func.jacrev)(one))
    rows = max(1, min(chunk_rows, MOST_VALUES // max(1, out * dim)))
    for start in range(0, len(points), rows):
        yield start, jacobian(points[start : start + rows]).detach().double()


def local_spectra(
    function: RowMap, points: Float[Tensor, "n dim"], *, chunk_rows: int = 32
) -> Float64[Tensor, "n rank"]:
    """Singular values, falling, of the Jacobian at every point.

    >>> local_spectra(lambda x: torch.relu(x), torch.tensor([[1.0, -1.0]])).tolist()
    [[1.0, 0.0]]
    """
    blocks = local_jacobians(function, points, chunk_rows=chunk_rows)
    return torch.cat([torch.linalg.svdvals(block) for _, block in blocks])


@dataclass(frozen=True, kw_only=True)
class LocalShare:
    """What the local Jacobian does not see of displacements, beside chance."""

    unexplained: float
    """Share of their squared length outside the Jacobians' row spaces, 0 to 1."""
    chance: float
    """The same for row spaces of these ranks drawn at random: 1 - mean rank / dim."""


@dataclass(frozen=True, kw_only=True)
class LocalFrame:
    """The Jacobian at one point, taken apart."""

    values: Float64[Tensor, " rank"]
    """Singular values, falling; below 1e-8 of the largest they are rounding."""
    space: Float64[Tensor, "dim kept"]
    """Orthonormal basis of its row space."""


def local_frames(
    function: RowMap, points: Float[Tensor, "n dim"], *, relative: float = 1e-4, chunk_rows: int = 32
) -> Iterator[LocalFrame]:
    """Spectrum and row space of the Jacobian at every point, one after the other, each Jacobian computed once.

    Singular values of at most `relative` times the largest leave the row space; the default is above the
    rounding of float32 networks.

    >>> (frame,) = local_frames(lambda x: torch.relu(x), torch.tensor([[1.0, -1.0]]))
    >>> frame.values.tolist(), frame.space.abs().tolist()
    ([1.0, 0.0], [[1.0], [0.0]])
    """
    if not callable(function) and _tall(function):
        for _, gram in local_grams(function, points):
            values, vectors = torch.linalg.eigh(gram)
            yield LocalFrame(values=_falling(values), space=vectors[:, _kept(values, relative)])
        return
    for _, block in local_jacobians(function, points, chunk_rows=chunk_rows):
        wide = block.shape[1] < block.shape[2]
        gram = block @ block.mT if wide else block.mT @ block
        values, vectors = torch.linalg.eigh(gram)
        kept = _kept(values, relative)
        if wide:
            safe = torch.where(kept, values, torch.ones_like(values))
            vectors = block.mT @ vectors / safe.sqrt()[:, None, :]
        for row, basis, keep in zip(_falling(values), vectors, kept, strict=True):
            yield LocalFrame(values=row, space=basis[:, keep])


def _tall(network: Network) -> bool:
    """Whether J^T J is cheaper from the last layer's own gram matrix than from J, where half of the units are active.

    >>> from contrascope.geometry.regions import AffineLayer
    >>> wide, narrow = (AffineLayer(weight=torch.zeros(out, 8), bias=torch.zeros(out)) for out in (8, 2))
    >>> _tall([wide, wide]), _tall([wide, narrow])
    (True, False)
    """
    out, hidden = network[-1].weight.shape
    dim, active = network[0].weight.shape[1], hidden // 2
    return out >= dim and active <= out


def _kept(values: Tensor, relative: float) -> Tensor:
    """Which eigenvalues, rising, of J^T J belong to singular values above `relative` times the largest."""
    return values > relative**2 * values[..., -1:].clamp(min=torch.finfo(values.dtype).tiny)


def _falling(values: Tensor) -> Tensor:
    """Singular values, falling, from eigenvalues, rising."""
    return values.flip(-1).clamp(min=0).sqrt()


def row_spaces(
    function: RowMap, points: Float[Tensor, "n dim"], *, relative: float = 1e-4, chunk_rows: int = 32
) -> tuple[Tensor, ...]:
    """Orthonormal basis [dim rank] of the row space of the Jacobian at every point, in float64 (`local_frames`).

    Memory: n x dim x rank; a few hundred points tell enough.

    >>> row_spaces(lambda x: torch.relu(x), torch.tensor([[1.0, -1.0]]))[0].abs().tolist()
    [[1.0], [0.0]]
    """
    frames = local_frames(function, points, relative=relative, chunk_rows=chunk_rows)
    return tuple(frame.space for frame in frames)


def outside(spaces: Sequence[Tensor], displacements: Float[Tensor, "n dim"]) -> LocalShare:
    """The share of each displacement outside its own space, orthonormal columns [dim rank], over all of them.

    >>> outside([torch.eye(2)[:, :1]], torch.tensor([[1.0, 1.0]]))
    LocalShare(unexplained=0.5, chance=0.5)
    """
    require_rows(displacements, 1, "displacements")
    if len(spaces) != len(displacements):
        raise InputError(
            f"got {len(spaces)} spaces for {len(displacements)} displacements; expected one each."
        )
    rows = displacements.double()
    inside = sum((row @ basis.to(row)).square().sum().item() for row, basis in zip(rows, spaces, strict=True))
    total = rows.square().sum().item()
    ranks = sum(basis.shape[1] for basis in spaces)
    return LocalShare(
        unexplained=min(1.0, max(0.0, 1 - inside / total)) if total > 0 else 0.0,
        chance=1 - ranks / rows.numel(),
    )


def local_unexplained(
    function: RowMap,
    points: Float[Tensor, "n dim"],
    displacements: Float[Tensor, "moved_n moved_dim"],
    *,
    relative: float = 1e-4,
    chunk_rows: int = 32,
) -> LocalShare:
    """How much of the displacements the local Jacobian does not see.

    Equation 10 of Cosentino et al. 2022 with W_omega of the point in the place of W: each displacement is
    projected onto the row space (`row_spaces`) of the Jacobian at its own point. Nothing is unexplained where
    all displacements are zero.

    >>> local_unexplained(lambda x: torch.relu(x), torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0, 1.0]]))
    LocalShare(unexplained=0.5, chance=0.5)
    """
    if points.shape != displacements.shape:
        raise InputError(
            f"points have shape {tuple(points.shape)} and displacements {tuple(displacements.shape)}; "
            "expected one displacement for each point."
        )
    return outside(row_spaces(function, points, relative=relative, chunk_rows=chunk_rows), displacements)
