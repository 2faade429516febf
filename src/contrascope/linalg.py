"""Nearest neighbours and distances in blocks; decompositions that fall back to float64 and name bad rows."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contrascope.errors import InputError

BLOCK_FLOATS = 1 << 25
"""Floats of one block of similarities (128 MiB in float32)."""
GROUP = 16
"""Columns whose maximum stands for them while the top k are sought."""


Seen = Callable[[int, Tensor], None]
"""Takes the first query of a block, and the block of cosines [query bank]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbours:
    """The k nearest bank rows of every query, nearest first; equal ones in the order of the bank."""

    value: Float[Tensor, "query k"]
    """Cosine similarity (falling) or Euclidean distance (rising)."""
    index: Int[Tensor, "query k"]
    """Row of the bank."""


def require_finite(rows: Float[Tensor, "n dim"], name: str) -> None:
    """Raises `InputError` with the first row that holds a nan or an infinity.

    >>> require_finite(torch.tensor([[1.0], [float("nan")]]), "h")
    Traceback (most recent call last):
    contrascope.errors.InputError: h: row 1 holds a non-finite value (1 of 2 rows do)...
    """
    if rows.numel() == 0 or bool(torch.isfinite(rows.sum())):
        return
    bad = (~torch.isfinite(rows)).any(dim=1).nonzero().flatten()
    if len(bad):
        raise InputError(
            f"{name}: row {int(bad[0])} holds a non-finite value ({len(bad)} of {len(rows)} rows do); "
            "every value must be finite. Drop these rows, or look for a diverged encoder."
        )


def non_finite(rows: Float[Tensor, "n dim"], *, block_rows: int = 1 << 16) -> int:
    """How many values are nan or infinite.

    >>> non_finite(torch.tensor([[1.0, float("nan")], [float("inf"), 0.0]]))
    2
    """
    return sum(int((~torch.isfinite(block)).sum()) for block in rows.split(block_rows))


def constant_columns(rows: Float[Tensor, "n dim"], *, block_rows: int = 1 << 16) -> Bool[Tensor, " dim"]:
    """Which columns hold one value only; a column with a nan does not.

    >>> constant_columns(torch.tensor([[1.0, 2.0], [1.0, 3.0]])).tolist()
    [True, False]
    """
    same = torch.ones(rows.shape[1], dtype=torch.bool, device=rows.device)
    for block in rows.split(block_rows):
        same &= (block == rows[:1]).all(dim=0)
    return same


def unit_rows(rows: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Rows divided by their Euclidean norm; a zero row stays zero.

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6..., 0.8...], [0.0, 0.0]]
    """
    norm = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(norm > 0, norm, torch.ones_like(norm))


def class_means(
    rows: Float[Tensor, "n dim"], codes: Int[Tensor, " n"], num_classes: int
) -> Float[Tensor, "classes dim"]:
    """Mean row of every class; every class has a row.

    >>> class_means(torch.tensor([[0.0], [4.0], [3.0]]), torch.tensor([0, 0, 1]), 2).tolist()
    [[2.0], [3.0]]
    """
    total = rows.new_zeros((num_classes, rows.shape[1])).index_add_(0, codes, rows)
    return total / torch.bincount(codes, minlength=num_classes)[:, None]


def at_least_single(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Half precision becomes float32; float32 and float64 stay as they are.

    >>> at_least_single(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def nearest(
    query: Float[Tensor, "query dim"],
    bank: Float[Tensor, "bank dim"],
    k: int,
    *,
    metric: Literal["cosine", "euclidean"] = "cosine",
    exclude_self: bool = False,
    see: Seen | None = None,
) -> Neighbours:
    """The k nearest rows of `bank` for every row of `query`, exact, in blocks of queries.

    Cosine similarity in [-1, 1], 0 for a zero row; or Euclidean distance about the bank's mean: that of equal rows may
    be off zero by the square root of the rounding error. With `exclude_self` the query is the bank and row i is no
    neighbour of itself. `see` is shown every block with its first query, and may take pairs out by -inf.

    >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]])
    >>> nearest(bank[:1], bank, 2).index.tolist()
    [[0, 2]]
    """
    _check_nearest(query, bank, k, exclude_self)
    if metric == "cosine":
        query, bank = unit_rows(query), unit_rows(bank)
        half = None
    elif metric == "euclidean":
        centre = bank.mean(dim=0)
        query, bank = query - centre, bank - centre
        half = bank.square().sum(dim=1) / 2
    else:
        raise InputError(f"metric={metric!r} is not known. Known: 'cosine', 'euclidean'.")
    score, index = _nearest_blocks(query, bank, k, half, exclude_self, see)
    if metric == "euclidean":
        score = (query.square().sum(dim=1, keepdim=True) - 2 * score).clamp_min_(0).sqrt_()
    return Neighbours(value=score, index=index)


def _check_nearest(query: Tensor, bank: Tensor, k: int, exclude_self: bool) -> None:
    if exclude_self and len(query) != len(bank):
        raise InputError(
            f"exclude_self needs the query to be the bank; got {len(query)} queries "
            f"and {len(bank)} bank rows."
        )
    most = len(bank) - int(exclude_self)
    if not 1 <= k <= most:
        raise InputError(f"k={k} neighbours asked of a bank with {most} candidates. Choose 1 <= k <= {most}.")
    require_finite(bank, "bank")
    if query is not bank:
        require_finite(query, "query")


def _nearest_blocks(
    query: Tensor, bank: Tensor, k: int, half: Tensor | None, exclude_self: bool, see: Seen | None
) -> tuple[Tensor, Tensor]:
    columns = math.ceil(len(bank) / GROUP) * GROUP
    rows = min(len(query), max(16, BLOCK_FLOATS // columns))
    block = bank.new_full((rows, columns), -math.inf)
    score = bank.new_empty((len(query), k))
    index = torch.empty((len(query), k), dtype=torch.int64, device=bank.device)
    for start in range(0, len(query), rows):
        part = query[start : start + rows]
        scores = block[: len(part)]
        torch.mm(part, bank.T, out=scores[:, : len(bank)])
        if half is not None:
            scores[:, : len(bank)] -= half
        if exclude_self:
            scores[:, start:].fill_diagonal_(-math.inf)
        if see is not None:
            see(start, scores[:, : len(bank)])
        score[start : start + rows], index[start : start + rows] = top_k(scores, k)
    return score, index


def top_k(scores: Float[Tensor, "row column"], k: int) -> tuple[Float[Tensor, "row k"], Int[Tensor, "row k"]]:
    """The k largest values of every row, falling, and their columns; of equal values the lower column wins.

    >>> top_k(torch.tensor([[1.0, 3.0, 3.0, 3.0]]), 2)[1].tolist()
    [[1, 2]]
    """
    one_more = min(k + 1, scores.shape[1])
    value, index = _group_top(scores, one_more)
    if one_more > k:
        unsure = (value[:, k - 1] == value[:, k]).nonzero().flatten()
        value, index = value[:, :k].contiguous(), index[:, :k].contiguous()
        for rows in unsure.split(max(1, BLOCK_FLOATS // (8 * scores.shape[1]))):
            value[rows], index[rows] = _lowest_columns(scores[rows], value[rows, -1:], k)
    tied = (value[:, 1:] == value[:, :-1]).any(dim=1).nonzero().flatten()
    if len(tied):
        column, order = index[tied].sort(dim=1)
        value[tied], order = value[tied].gather(1, order).sort(dim=1, descending=True, stable=True)
        index[tied] = column.gather(1, order)
    return value, index


def _group_top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """`Tensor.topk`, cheaper: the top k lie in the k groups of columns with the largest maxima."""
    rows, columns = scores.shape
    width = columns // GROUP
    if columns % GROUP or width < 2 * k:
        value, index = scores.topk(k, dim=1)
        return value, index
    group = scores.view(rows, GROUP, width).amax(dim=1).topk(k, dim=1, sorted=False).indices
    offset = torch.arange(GROUP, device=scores.device) * width
    column = (group[:, None, :] + offset[None, :, None]).view(rows, GROUP * k)
    value, place = scores.gather(1, column).topk(k, dim=1)
    return value, column.gather(1, place)


def _lowest_columns(scores: Tensor, least: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and columns above the k-th largest value `least`, and the first that equal it, as `top_k` has them."""
    above, equal = scores > least, scores == least
    room = k - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1) <= room))
    index = chosen.nonzero()[:, 1].view(len(scores), k)
    value, order = scores.gather(1, index).sort(dim=1, descending=True, stable=True)
    return value, index.gather(1, order)


def squared_distance_blocks(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"], *, block_floats: int = BLOCK_FLOATS
) -> Iterator[tuple[int, Float[Tensor, "rows m"]]]:
    """Pairs (first row, squared Euclidean distances of these rows of `x` to all of `y`), never negative.

    >>> blocks = squared_distance_blocks(torch.tensor([[0.0], [3.0]]), torch.ones(1, 1))
    >>> [(start, block.tolist()) for start, block in blocks]
    [(0, [[1.0], [4.0]])]
    """
    require_finite(x, "x")
    require_finite(y, "y")
    centre = y.mean(dim=0)
    x, y = x - centre, y - centre
    norms = y.square().sum(dim=1)
    rows = max(1, block_floats // max(1, len(y)))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        block = torch.addmm(norms, part, y.T, alpha=-2).add_(part.square().sum(dim=1, keepdim=True))
        yield start, block.clamp_min_(0)


def squared_distances(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Float[Tensor, "n m"]:
    """All squared Euclidean distances; `squared_distance_blocks` where they do not fit in memory.

    >>> squared_distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])).tolist()
    [[25.0]]
    """
    blocks = [block for _, block in squared_distance_blocks(x, y)]
    return torch.cat(blocks) if blocks else x.new_empty((0, len(y)))


def svd(
    matrix: Float[Tensor, "rows columns"],
) -> tuple[Float[Tensor, "rows rank"], Float[Tensor, " rank"], Float[Tensor, "rank columns"]]:
    """Thin singular value decomposition U, S, V^T, singular values falling; float64 where float32 fails.

    >>> svd(torch.diag(torch.tensor([2.0, 5.0])))[1].tolist()
    [5.0, 2.0]
    """
    u, s, vh = _decompose(lambda m: tuple(torch.linalg.svd(m, full_matrices=False)), matrix, "svd")
    return u, s, vh


def singular_values(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, " rank"]:
    """Singular values, falling; float64 where float32 fails.

    >>> singular_values(torch.tensor([[3.0, 4.0]])).tolist()
    [5.0]
    """
    return _decompose(lambda m: (torch.linalg.svdvals(m),), matrix, "singular_values")[0]


def eigh(matrix: Float[Tensor, "n n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]:
    """Eigenvalues (rising) and eigenvectors (columns) of a symmetric matrix; float64 where float32 fails.

    >>> eigh(torch.diag(torch.tensor([2.0, 5.0])))[0].tolist()
    [2.0, 5.0]
    """
    values, vectors = _decompose(lambda m: tuple(torch.linalg.eigh(m)), matrix, "eigh")
    return values, vectors


def _decompose(
    routine: Callable[[Tensor], tuple[Tensor, ...]], matrix: Tensor, name: str
) -> tuple[Tensor, ...]:
    require_finite(matrix, f"{name}: matrix")
    work = matrix if matrix.dtype in (torch.float32, torch.float64) else matrix.float()
    try:
        parts = routine(work)
    except torch.linalg.LinAlgError:
        parts = routine(matrix.double())
    return tuple(part.to(matrix.dtype) for part in parts)


def principal(rows: Float[Tensor, "n dim"]) -> tuple[Float[Tensor, "n 2"], list[float]]:
    """Coordinates along the two main directions of the covariance and their shares of the variance.

    Each direction's largest entry is positive, so that the map does not flip from machine to machine.

    >>> place, shares = principal(torch.tensor([[0.0, 3.0], [0.0, -3.0], [1.0, 0.0], [-1.0, 0.0]]))
    >>> [round(share, 2) for share in shares], place[0].tolist()
    ([0.9, 0.1], [3.0, 0.0])
    """
    centred = rows.double() - rows.double().mean(dim=0)
    values, vectors = eigh(centred.T @ centred)
    values, vectors = values.clamp_min(0).flip(0)[:2], vectors.flip(1)[:, :2]
    signs = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True)).sign()
    place = centred @ (vectors * torch.where(signs == 0, torch.ones_like(signs), signs))
    total = float(centred.square().sum())
    if place.shape[1] < 2:
        place = torch.cat([place, torch.zeros_like(place)], dim=1)
    return place, [float(value) / total if total > 0 else 0.0 for value in values]
