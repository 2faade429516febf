"""The augmented distance d_A: how near the nearest views of two images come."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import require_finite

BLOCK_FLOATS = 1 << 22
"""Products of one tile (16 MiB): large enough for the full rate of a matrix product, small enough for caches."""

LEAST_ROWS = 256
"""Rows below which a product would be slow: tiles on the diagonal are halved down to them, since half is waste."""

UNSURE = {torch.float32: 1 / 64, torch.float64: 1e-6}
"""Squared distances below this share of the squared norms lose digits to cancellation: they are done again."""

MANY_UNSURE = 1 / 16
"""Share of a tile's pairs above which the whole tile is done again in float64, not pair by pair."""

INT32_COLUMNS = 33_000
"""Columns of bytes whose squared distance surely fits in 32 bits."""


def augmented_distance(
    views: Float[Tensor, "views n dim"] | UInt8[Tensor, "views n dim"],
    other: Float[Tensor, "others m dim"] | UInt8[Tensor, "others m dim"] | None = None,
    *,
    block_floats: int = BLOCK_FLOATS,
) -> Float[Tensor, "n columns"]:
    """Distance of the nearest views of every two images, min over a, b of ||x_i^a - x_j^b||; diagonal 0.

    Huang et al. 2023 (arXiv:2111.00743), the augmented distance before Definition 1, over the views at hand: an
    upper bound of the minimum over all views. Plain Euclidean distance of the rows as they are. Bytes are
    pixels on the scale [0, 1] times 255: their squared distances are exact integers, the result is in units
    of that scale. Float32 rows give float32, correct to 3e-6 relative (most to 1e-6); float64 rows give float64. Pairs
    that cancellation leaves unsure are recomputed as differences in float64. With `other`, distances to its images
    ([n m]). Symmetric, O(n^2 views^2 dim / 2) operations, n^2 numbers and one tile of memory; a row with a
    nan is an `InputError`.

    >>> augmented_distance(torch.tensor([[[0.0], [5.0]], [[1.0], [3.0]]])).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    _check(views, other, block_floats)
    rows = _tile_images(views, other, block_floats)
    views, right = views.detach(), (views if other is None else other).detach()
    wide = views.dtype == torch.float64 or right.dtype == torch.float64
    out = torch.empty(
        views.shape[1],
        right.shape[1],
        dtype=torch.float64 if wide else torch.float32,
        device=views.device,
    )
    exact = views.dtype == right.dtype == torch.uint8
    centre = None if exact else _centre(views, wide)
    for start, stop in _spans(views.shape[1], rows):
        left = _ready(views[:, start:stop], centre, left=True)
        for low, high in _spans(right.shape[1], rows, start if other is None else 0):
            own = other is None and low == start
            part = _ready(right[:, low:high], centre, left=False)
            halves = _halved(stop - start, max(1, LEAST_ROWS // len(views)))
            for a, b, c, d in halves if own else [(0, stop - start, 0, high - low)]:
                tile = _distances(left.part(a, b), part.part(c, d), centre, own and a == c, block_floats)
                out[start + a : start + b, low + c : low + d] = tile
                if other is None:
                    out[low + c : low + d, start + a : start + b] = tile.T
    return out


def _check(views: Tensor, other: Tensor | None, block_floats: int) -> None:
    for name, part in (("views", views), ("other", other)):
        if part is None:
            continue
        if 0 in part.shape:
            raise InputError(
                f"{name} has shape {list(part.shape)}; expected [views, n, dim] with at least one of each."
            )
        if part.dtype != torch.uint8:
            require_finite(part.flatten(0, 1), f"{name} (one view after the other)")
    if other is not None and (other.dtype == torch.uint8) != (views.dtype == torch.uint8):
        raise InputError(
            f"views are {views.dtype}, other is {other.dtype}; bytes are on another scale than floats. "
            "Give both as bytes, or both as floats."
        )
    if block_floats < 1:
        raise InputError(f"block_floats={block_floats}; expected at least 1.")


def _tile_images(views: Tensor, other: Tensor | None, block_floats: int) -> int:
    """Images of a tile: its products are a block, and its rows some blocks at most where they are long."""
    most = max(len(views), 1 if other is None else len(other))
    rows = min(math.isqrt(block_floats), max(LEAST_ROWS, 4 * block_floats // views.shape[2]))
    return max(1, rows // most)


def _halved(n: int, least: int, start: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """Tiles (rows from, to, columns from, to) that cover the upper half of n by n with little below the diagonal."""
    if n <= least:
        yield start, start + n, start, start + n
        return
    half = n // 2
    yield from _halved(half, least, start)
    yield start, start + half, start + half, start + n
    yield from _halved(n - half, least, start + half)


def _spans(n: int, rows: int, start: int = 0) -> Iterator[tuple[int, int]]:
    for low in range(start, n, rows):
        yield low, min(low + rows, n)


def _centre(views: Tensor, wide: bool) -> Tensor:
    """Mean row, about which norms are small and cancellation is least."""
    mean = torch.stack([view.mean(dim=0, dtype=torch.float64) for view in views]).mean(dim=0)
    return mean if wide else mean.float()


@dataclass(frozen=True)
class _Rows:
    """Images of a tile, prepared for products once."""

    views: Tensor
    """As given [views images dim]."""
    ready: Tensor
    """What is multiplied [images views columns]: floats about the centre with two more columns, or signed bytes."""
    norm: Tensor
    """Squared norms [images views], for bytes [images views parts] of the columns."""

    def part(self, start: int, stop: int) -> "_Rows":
        return _Rows(self.views[:, start:stop], self.ready[start:stop], self.norm[start:stop])


def _ready(part: Tensor, centre: Tensor | None, *, left: bool) -> _Rows:
    """The images of one side of a tile.

    Floats: two more columns make the product of a left and a right row a.b - ||a||^2 / 2 - ||b||^2 / 2, minus half
    their squared distance. Bytes: shifted by 128 they are signed, and differences stay.
    """
    views, images, dim = part.shape
    if centre is None:
        signed = (part.transpose(0, 1).to(torch.int16) - 128).to(torch.int8).contiguous()
        squares = [some.int().square_().sum(dim=2).int() for some in signed.split(INT32_COLUMNS, dim=2)]
        return _Rows(part, signed, torch.stack(squares, dim=2))
    wide = torch.empty(images, views, dim + 2, dtype=centre.dtype, device=part.device)
    torch.sub(part.transpose(0, 1), centre, out=wide[..., :dim])
    norm = torch.linalg.vector_norm(wide[..., :dim], dim=2).square()
    wide[..., dim] = norm / -2 if left else torch.ones_like(norm)
    wide[..., dim + 1] = torch.ones_like(norm) if left else norm / -2
    return _Rows(part, wide, norm)


def _distances(left: _Rows, right: _Rows, centre: Tensor | None, diagonal: bool, block_floats: int) -> Tensor:
    """Distances of the nearest views [rows columns]."""
    exact = centre is None
    square = _byte_tile(left, right) if centre is None else _tile(left, right, centre, diagonal, block_floats)
    wide = left.views.dtype == torch.float64 or right.views.dtype == torch.float64
    tile = square.double().clamp_min_(0).sqrt_().div_(255 if exact else 1)
    tile = tile.to(torch.float64 if wide else torch.float32)
    if diagonal:  # a product need not round (i, j) as (j, i)
        tile = torch.minimum(tile, tile.T).fill_diagonal_(0)
    return tile


def _tile(left: _Rows, right: _Rows, centre: Tensor, diagonal: bool, block_floats: int) -> Tensor:
    """Squared distances of the nearest views [rows columns], unsure ones recomputed."""
    block = left.ready.flatten(0, 1) @ right.ready.flatten(0, 1).T
    nearest = block.view(*left.norm.shape, -1).amax(dim=1)
    square = nearest.view(len(nearest), *right.norm.shape).amax(dim=2).mul_(-2)
    unsure = square < UNSURE[centre.dtype] * (left.norm.amax(dim=1)[:, None] + right.norm.amax(dim=1))
    if diagonal:
        unsure.fill_diagonal_(False)
    if centre.dtype == torch.float32 and int(unsure.sum()) > MANY_UNSURE * unsure.numel():
        centre = centre.double()
        pair = _ready(left.views, centre, left=True), _ready(right.views, centre, left=False)
        return _tile(*pair, centre, diagonal, block_floats)
    if not bool(unsure.any()):
        return square
    square = square.double()
    one, other = left.views, right.views
    step = max(1, block_floats // (one.shape[2] * max(len(one), len(other))))
    for pairs in unsure.nonzero().split(step):
        i, j = pairs.unbind(1)
        gap = torch.cdist(
            one[:, i].transpose(0, 1).double(),
            other[:, j].transpose(0, 1).double(),
            compute_mode="donot_use_mm_for_euclid_dist",
        )
        square[i, j] = gap.amin(dim=(1, 2)).square()
    return square


def _byte_tile(left: _Rows, right: _Rows) -> Tensor:
    """Exact squared distances of the nearest views [rows columns], in parts of columns that fit in 32 bits."""
    total = None
    parts = zip(left.ready.split(INT32_COLUMNS, dim=2), right.ready.split(INT32_COLUMNS, dim=2), strict=True)
    for number, (a, b) in enumerate(parts):
        block = _int_product(a.flatten(0, 1).contiguous(), b.flatten(0, 1).contiguous()).mul_(-2)
        block.add_(right.norm[..., number].flatten()).add_(left.norm[..., number].flatten()[:, None])
        if left.norm.shape[2] > 1:
            block = block.long()
        total = block if total is None else total.add_(block)
    assert total is not None
    nearest = total.view(*left.norm.shape[:2], -1).amin(dim=1)
    return nearest.view(len(nearest), *right.norm.shape[:2]).amin(dim=2)


def _int_product(a: Tensor, b: Tensor) -> Tensor:
    """Products a @ b.T of signed bytes in 32 bits; float64, exact as well, where there is no such product."""
    if a.device.type == "cpu":
        return torch._int_mm(a, b.T)
    return (a.double() @ b.double().T).int()


def normalised_pixels(
    views: Float[Tensor, "views n dim"] | UInt8[Tensor, "views n dim"],
) -> Float[Tensor, "views n dim"]:
    """Each view minus its own mean, divided by its own standard deviation: brightness and contrast taken out.

    Rows have mean 0 and norm sqrt(dim), so that darkening no longer shrinks distances: those of the result are
    in [0, 2 sqrt(dim)]. A constant view becomes zeros, at distance sqrt(dim) from every other view. All channels
    share one mean and one deviation. Noise of nearly constant views is magnified. Float32, float64 for float64.

    >>> normalised_pixels(torch.tensor([[[1.0, 3.0], [7.0, 7.0]]])).tolist()
    [[[-1.0, 1.0], [0.0, 0.0]]]
    """
    if views.dtype != torch.uint8:
        require_finite(views.flatten(0, 1), "views (one after the other)")
    out = torch.empty(
        views.shape,
        dtype=torch.float64 if views.dtype == torch.float64 else torch.float32,
        device=views.device,
    )
    for number, view in enumerate(views):
        flat = (view.amax(dim=1) == view.amin(dim=1))[:, None]
        rows = view.double()
        rows -= rows.mean(dim=1, keepdim=True)
        deviation = rows.square().mean(dim=1, keepdim=True).sqrt()
        out[number] = torch.where(flat, 0.0, rows / torch.where(flat, 1.0, deviation))
    return out
