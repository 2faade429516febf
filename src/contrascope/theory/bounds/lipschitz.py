"""A local Lipschitz constant of an encoder: always an estimate from below."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.linalg import require_finite


@dataclass(frozen=True, kw_only=True)
class LipschitzEstimate:
    """Slopes that were seen. The Lipschitz constant is at least `value` and may be far larger.

    A bound computed with it is not a certificate: it is what the bound would be at best.
    """

    value: float
    """The larger of the two below."""
    pairs: float
    """Largest ||f(x) - f(x')|| / ||x - x'|| over the given pairs of different points."""
    jacobian: float
    """Largest spectral norm of the Jacobian over the points, by power iteration, from below."""
    spread: float
    """Relative change of `jacobian` in the last step of the power iteration; near 0 where it converged."""


def local_lipschitz(
    f: Callable[[Tensor], Tensor],
    x: Float[Tensor, " n *shape"],
    *,
    pairs: Int[Tensor, "pairs 2"] | None = None,
    steps: int = 20,
    seed: int = 0,
    block_rows: int = 256,
) -> LipschitzEstimate:
    """Largest slope of f between points and at points, in l2 of flattened input and output: from below.

    `f` maps a batch to a batch and must treat its rows one by one (batch norm in eval mode). `pairs` are rows
    of x, by default every point with the next one. Each step of the power iteration on J^T J is one forward-
    mode and one reverse-mode product for all points of a block.

    >>> matrix = torch.diag(torch.tensor([3.0, 1.0]))
    >>> estimate = local_lipschitz(lambda x: x @ matrix, torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    >>> round(estimate.jacobian, 4), estimate.pairs
    (3.0, 1.0)
    """
    if len(x) < 2 or steps < 1:
        raise InputError(f"{len(x)} points, steps={steps}; expected at least 2 points and 1 step.")
    require_finite(x.flatten(1), "x")
    if pairs is None:
        pairs = torch.stack([torch.arange(len(x) - 1), torch.arange(1, len(x))], dim=1)
    slope = max((_pair_slope(f, x, part.to(x.device)) for part in pairs.split(block_rows)), default=0.0)
    norm, spread = 0.0, 0.0
    for number, block in enumerate(x.split(block_rows)):
        norms = _jacobian_norms(f, block, steps, generator(seed, "local_lipschitz", number))
        before, after = (row.max().item() for row in norms)
        if after > norm:
            norm, spread = after, (after - before) / after
    return LipschitzEstimate(value=max(slope, norm), pairs=slope, jacobian=norm, spread=spread)


def _pair_slope(f: Callable[[Tensor], Tensor], x: Tensor, pairs: Tensor) -> float:
    with torch.no_grad():
        first, second = x[pairs[:, 0]], x[pairs[:, 1]]
        moved = (first - second).flatten(1).double().norm(dim=1)
        change = (_rows(f, first) - _rows(f, second)).flatten(1).double().norm(dim=1)
        apart = moved > 0
        return (change[apart] / moved[apart]).max().item() if bool(apart.any()) else 0.0


def _rows(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    out = f(x)
    if out.ndim < 2 or len(out) != len(x):
        raise InputError(
            f"f maps {list(x.shape)} to {list(out.shape)}; expected one row of output for each row of input."
        )
    return out


def _jacobian_norms(
    f: Callable[[Tensor], Tensor], x: Tensor, steps: int, source: torch.Generator
) -> Float[Tensor, "2 rows"]:
    """||J v|| of unit v in the last two steps of the power iteration, at every point of the block."""
    x = x.detach()
    direction = _unit(torch.randn(x.shape, generator=source, dtype=torch.float64).to(x))
    norms = []
    for _ in range(steps + 1):
        moved = torch.func.jvp(lambda rows: _rows(f, rows), (x,), (direction,))[1]
        norms.append(moved.detach().flatten(1).double().norm(dim=1))
        pull = torch.func.vjp(lambda rows: _rows(f, rows), x)[1]
        direction = _unit(pull(moved.detach())[0].detach())
    return torch.stack(norms[-2:])


def _unit(x: Tensor) -> Tensor:
    """Rows over their norm; a zero row (a flat point) stays zero."""
    norm = x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
    return x / torch.where(norm > 0, norm, torch.ones_like(norm))
