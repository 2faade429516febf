"""Lie generators: what an operation of known strength does to features, as one matrix.

Cosentino et al. 2022 (arXiv:2205.06926, section 4) model an operation in the encoder's space as
h' = exp(eps G) h and conclude that the projector loses the columns of G (Propositions 4.1 and 4.3). They do not
estimate G; this does. The propositions hold in one direction only: W^T G = 0 is enough for invariance and not
needed for it (a W of rank one sends everything one way). So the share below is measured and nothing is
claimed of it.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.geometry.spans import column_space, leading_directions, require_rows
from contrascope.intervals import generator as keyed_generator
from contrascope.linalg import eigh, svd

TERMS = 18
"""Terms of the exponential series for a step of norm at most 1: the rest is below 1e-16."""

MOST_STEPS = 1000
"""Largest norm of strength x generator that is followed."""

SETTLED = 1e-4
"""A step that lowers the squared error by less than this share is the last."""


@dataclass(frozen=True, kw_only=True)
class GeneratorFit:
    """A generator, and how well it says where an operation takes features that it was not fitted to."""

    matrix: Float64[Tensor, "dim dim"]
    """G, per unit of strength: h' = exp(strength G) h for column vectors h."""
    explained: float
    """Held-out 1 - |h' - exp(eps G) h|^2 / |h' - h|^2: at most 1, 0 is as good as no change, below 0 is worse."""
    explained_fitted: float
    """The same on the images that G was fitted to."""
    rank: int
    """Rank of G."""


@dataclass(frozen=True, kw_only=True)
class KernelShare:
    """How much of a generator a linear projector sees."""

    raw: float
    """||W^T G|| / ||G||, Frobenius: it scales with W."""
    seen: float
    """||Q^T G|| / ||G|| with Q an orthonormal basis of W's columns, 0 (G in the kernel) to 1."""
    chance: float
    """`seen` for a column space drawn at random, in the root mean square: sqrt(rank / dim)."""


def exp_action(
    generator: Float[Tensor, "dim dim"], rows: Float[Tensor, "n dim"], strength: Float[Tensor, " n"]
) -> Float64[Tensor, "n dim"]:
    """exp(strength_i G) applied to row i, in float64, by the series in steps of norm at most 1.

    >>> quarter = exp_action(torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.eye(2)[:1], torch.tensor([torch.pi / 2]))
    >>> quarter.round(decimals=6).abs().tolist()
    [[0.0, 1.0]]
    """
    exact, out, eps = generator.double(), rows.double(), strength.double()
    if len(out) == 0:
        return out
    norm = (torch.linalg.matrix_norm(exact, 2) * eps.abs().max()).item()
    if not norm <= MOST_STEPS:
        raise InputError(
            f"strength times generator has norm {norm:.3g}; expected at most {MOST_STEPS}. "
            "Look for non-finite values, or raise `ridge`."
        )
    steps = max(1, math.ceil(norm))
    part = (eps / steps)[:, None]
    for _ in range(steps):
        term = out
        for k in range(1, TERMS + 1):
            term = (term @ exact.T) * (part / k)
            out = out + term
    return out


def fit_generator(
    h: Float[Tensor, "n dim"],
    moved: Float[Tensor, "moved_n moved_dim"],
    strength: Float[Tensor, " strengths"],
    *,
    ridge: float = 1e-3,
    rank: int | None = None,
    subspace: int | None = None,
    held_out: float = 0.2,
    steps: int = 20,
    seed: int = 0,
) -> GeneratorFit:
    """The generator G of h' = exp(eps G) h from pairs (h, h') with known strengths eps, by least squares.

    The linear fit of h' - h = eps G h is biased by terms in eps^2. At most `steps` Gauss-Newton steps on the
    exponential itself, its derivative taken by the midpoint rule, remove the bias; they end where they no
    longer help. `ridge` is relative to the mean square of eps h; `rank` keeps the best G of that rank in the
    metric of the fit (reduced-rank regression). `subspace` fits G within that many directions, which is faster
    and less noisy: up to half are the leading ones of h' - h, the others the leading ones of what these leave
    of h; what lies outside counts as not explained. A share `held_out` of the images, drawn by `seed`, is kept
    for `explained`. Where an angle passes half a turn the strength does not tell which way it went: keep
    strengths below that. Images that do not move at all give G = 0 and explain everything: 1.

    >>> h = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> turn, eps = torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double(), torch.linspace(-1, 1, 200).double()
    >>> fit_generator(h, exp_action(turn, h, eps), eps, ridge=1e-9).matrix.round(decimals=4).abs().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    _check(h, moved, strength, ridge, rank, subspace, held_out)
    scale = strength.abs().max().double().item()
    eps = strength.double() / scale
    rows, target = h.double(), moved.double()
    order = torch.randperm(len(h), generator=keyed_generator(seed, "generator")).to(h.device)
    cut = max(1, round(held_out * len(h)))
    test, fit = order[:cut], order[cut:]
    if len(fit) == 0:
        raise InputError(f"held_out={held_out} of {len(h)} images leaves none to fit; lower it.")
    basis = _basis(rows[fit], target[fit], subspace)
    small = _solve(rows[fit] @ basis, target[fit] @ basis, eps[fit], ridge, rank, steps)
    matrix = basis @ small @ basis.T
    return GeneratorFit(
        matrix=matrix / scale,
        explained=_explained(small, basis, rows[test], target[test], eps[test]),
        explained_fitted=_explained(small, basis, rows[fit], target[fit], eps[fit]),
        rank=column_space(small).shape[1],
    )


def _check(
    h: Tensor,
    moved: Tensor,
    strength: Tensor,
    ridge: float,
    rank: int | None,
    subspace: int | None,
    held_out: float,
) -> None:
    if h.shape != moved.shape or len(strength) != len(h):
        raise InputError(
            f"h has shape {tuple(h.shape)}, the moved rows {tuple(moved.shape)}, and there are {len(strength)} "
            "strengths; expected pairs of rows with one strength each."
        )
    require_rows(h, 4, "h")
    require_rows(moved, 4, "moved")
    require_rows(strength[:, None], 4, "strength")
    if not bool((strength != 0).any()):
        raise InputError("all strengths are 0; expected at least one image that the operation moves.")
    if not (ridge >= 0 and 0 < held_out < 1) or any(
        most is not None and most < 1 for most in (rank, subspace)
    ):
        raise InputError(
            f"ridge={ridge}, rank={rank}, subspace={subspace}, held_out={held_out}; expected a ridge of at "
            "least 0, rank and subspace of at least 1 or None, and a held-out share between 0 and 1."
        )


def _basis(h: Tensor, moved: Tensor, subspace: int | None) -> Float64[Tensor, "dim rank"]:
    """Half of the subspace for where images move, which may be where they hardly differ; the rest for h."""
    if subspace is None or subspace >= h.shape[1]:
        return torch.eye(h.shape[1], dtype=torch.float64, device=h.device)
    basis = leading_directions(moved - h, most=(subspace + 1) // 2).basis
    if basis.shape[1] < subspace:
        outside = h - (h @ basis) @ basis.T
        basis = torch.cat([basis, leading_directions(outside, most=subspace - basis.shape[1]).basis], dim=1)
    if basis.shape[1] == 0:  # all rows are zero: any direction holds them
        basis = torch.eye(h.shape[1], 1, dtype=torch.float64, device=h.device)
    return torch.linalg.qr(basis).Q


def _solve(
    h: Tensor, moved: Tensor, eps: Tensor, ridge: float, rank: int | None, steps: int
) -> Float64[Tensor, "dim dim"]:
    best = _regress(h * eps[:, None], moved - h, ridge, rank)
    error, still = _error(best, h, moved, eps), (moved - h).square().sum().item()
    while not error <= still:  # the exponential of the linear fit shoots past: shorter, it fits
        best = best / 2
        error = _error(best, h, moved, eps)
    for _ in range(steps):
        middle = exp_action(best, h, eps / 2)
        back = exp_action(best, moved - exp_action(best, middle, eps / 2), -eps / 2)
        inputs = middle * eps[:, None]
        found = _regress(inputs, back + inputs @ best.T, ridge, rank)
        before, now = error, _error(found, h, moved, eps)
        if not now < before:  # a step too far: noise, or strengths beyond half a turn
            break
        best, error = found, now
        if now > (1 - SETTLED) * before:
            break
    return best


def _error(found: Tensor, h: Tensor, moved: Tensor, eps: Tensor) -> float:
    if not (torch.linalg.matrix_norm(found, 2) * eps.abs().max()).item() <= MOST_STEPS:
        return math.inf
    return (moved - exp_action(found, h, eps)).square().sum().item()


def _regress(inputs: Tensor, outputs: Tensor, ridge: float, rank: int | None) -> Tensor:
    """G of least ridge error in outputs = inputs G^T, of at most `rank` in the metric of the inputs."""
    gram = inputs.T @ inputs
    gram.diagonal().add_(ridge * gram.diagonal().mean() + torch.finfo(gram.dtype).tiny)
    values, vectors = eigh(gram)
    values = values.clamp(min=1e-14 * values[-1])
    found = (outputs.T @ inputs @ vectors / values) @ vectors.T
    if rank is None or rank >= len(found):
        return found
    left = svd(found @ (vectors * values.sqrt()))[0][:, :rank]
    return left @ (left.T @ found)


def _explained(small: Tensor, basis: Tensor, h: Tensor, moved: Tensor, eps: Tensor) -> float:
    inside = h @ basis
    predicted = h + (exp_action(small, inside, eps) - inside) @ basis.T
    total = (moved - h).square().sum().item()
    return 1 - (moved - predicted).square().sum().item() / total if total > 0 else 1.0


def kernel_share(
    projector: Float[Tensor, "dim out"], generator: Float[Tensor, "own_dim own_dim"]
) -> KernelShare:
    """How much of a generator's columns a linear projector W (dim x out) sees.

    Propositions 4.1 to 4.3 of Cosentino et al. 2022 (corrected: the kernel of W^T, and in one direction only) say
    that the share may fall to 0 while invariance is learnt. A zero generator is seen by nothing: 0.

    >>> found = kernel_share(torch.eye(4)[:, :1], torch.eye(4))
    >>> found.raw, found.seen, found.chance
    (0.5, 0.5, 0.5)
    """
    if len(projector) != len(generator):
        raise InputError(
            f"the projector takes {len(projector)} features and the generator {len(generator)}; expected one "
            "number. Give the matrix as dim x out: for an `nn.Linear` that is `weight.T`."
        )
    columns, exact = column_space(projector), generator.double()
    total = torch.linalg.matrix_norm(exact).item()
    chance = math.sqrt(columns.shape[1] / len(columns))
    if total == 0:
        return KernelShare(raw=0.0, seen=0.0, chance=chance)
    raw = torch.linalg.matrix_norm(projector.double().T @ exact).item() / total
    seen = torch.linalg.matrix_norm(columns.T @ exact).item() / total
    return KernelShare(raw=raw, seen=seen, chance=chance)
