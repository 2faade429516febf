"""Toy worlds in which everything is known: where the bounds hold, where they are vacuous, where a paper errs."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.theory.bounds.bound import Bound, require_between
from contrascope.theory.bounds.embedding_bound import EmbeddingBounds, embedding_error_bounds
from contrascope.theory.bounds.error_bounds import best_error_bound
from contrascope.theory.factors.alignment import augmentation_robust, unit_views, worst_pair
from contrascope.theory.factors.divergence import class_centres


@dataclass(frozen=True, kw_only=True)
class OrbitWorld:
    """Images c + phase: K class coordinates (unit direction of the class plus noise) and a point on a circle.

    The augmentation is the group of rotations of the circle by multiples of 2 pi / order, so that the views
    are all of A(x). The encoder scales the circle by `leak` and normalises. Every constant of the theory
    is known exactly.
    """

    views: Float[Tensor, "views n dim"]
    """All images of the group; view 0 is the image itself."""
    y: Int[Tensor, " n"]
    """Classes from 0."""
    encoder: Callable[[Tensor], Tensor]
    """Maps [n, dim] to unit rows."""
    lipschitz: float
    """Lipschitz constant of the encoder on this world."""
    sigma: float
    """Share of every class in its main part: the images that are no outliers."""
    delta: float
    """Bound of the augmented distance between any two images of one main part."""


def orbit_world(
    *,
    classes: int,
    per_class: int,
    order: int,
    noise: float,
    leak: float,
    outliers: float,
    seed: int = 0,
) -> OrbitWorld:
    """A world of `classes` Gaussian classes, norm of the noise clipped to `noise`, under rotations.

    delta = 2 sqrt(noise^2 + sin^2(pi / (2 order))): two orbits on the circle come within pi / order of each
    other. L = 1 / sqrt((1 - noise)^2 + leak^2), the least norm before normalisation. The share `outliers` of
    each class, rounded down to whole images, lies at the direction of the next class: the nearest centre gets
    them wrong.

    >>> world = orbit_world(classes=3, per_class=10, order=4, noise=0.1, leak=0.1, outliers=0.1)
    >>> world.views.shape, world.sigma
    (torch.Size([4, 30, 5]), 0.9)
    """
    require_between(0, 0.99, noise=noise, outliers=outliers)
    require_between(0, 1, leak=leak)
    if classes < 2 or per_class < 1 or order < 2:
        raise InputError(
            f"classes={classes}, per_class={per_class}, order={order}; expected 2, 1, 2 or more."
        )
    source = generator(seed, "orbit_world")
    y = torch.arange(classes).repeat_interleave(per_class)
    strays = int(outliers * per_class + 1e-9)
    stray = torch.arange(per_class).repeat(classes) < strays
    centre = torch.eye(classes, dtype=torch.float64)[(y + stray) % classes]
    bump = torch.randn(len(y), classes, generator=source, dtype=torch.float64) * noise / math.sqrt(classes)
    bump = bump * (noise / bump.norm(dim=1, keepdim=True).clamp_min(1e-300)).clamp_max(1.0)
    phase = 2 * math.pi * torch.rand(len(y), generator=source, dtype=torch.float64)
    angles = phase + 2 * math.pi / order * torch.arange(order, dtype=torch.float64)[:, None]
    circle = torch.stack([angles.cos(), angles.sin()], dim=2)
    views = torch.cat([(centre + bump).expand(order, -1, -1), circle], dim=2)
    scale = torch.tensor([1.0] * classes + [leak] * 2, dtype=torch.float64)
    return OrbitWorld(
        views=views,
        y=y,
        encoder=lambda x: torch.nn.functional.normalize(x * scale.to(x), dim=-1),
        lipschitz=1 / math.hypot(1 - noise, leak),
        sigma=1 - strays / per_class,
        delta=2 * math.hypot(noise, math.sin(math.pi / (2 * order))),
    )


def world_bounds(world: OrbitWorld, fresh: OrbitWorld | None = None) -> tuple[Bound, EmbeddingBounds]:
    """The main theorem with the known L, sigma and delta, and the three certificates of the embeddings alone.

    With a `fresh` world of the same settings and another seed, the theorem's error is that of its images under the
    centres of `world`: sigma and delta hold between the two, and R_eps is the larger one. Without it, that of the
    images that made the centres. The certificates judge each half of `world` by the centres of the other.

    >>> world = orbit_world(classes=3, per_class=20, order=64, noise=0.01, leak=0.01, outliers=0.0)
    >>> [bound.word for bound in (world_bounds(world)[0], world_bounds(world)[1].theorem)]
    ['informative', 'informative']
    """
    h = unit_views(world.encoder(world.views))
    both = [h] if fresh is None else [h, unit_views(fresh.encoder(fresh.views))]
    centres, _ = class_centres(h, world.y)
    worst = [worst_pair(rows) for rows in both]
    laws = [torch.full((len(part),), 1 / len(part), dtype=torch.float64) for part in worst]
    known = best_error_bound(
        torch.cat(worst),
        centres,
        world.y.bincount().double() / len(world.y),
        sigma=world.sigma,
        delta=world.delta,
        lipschitz=world.lipschitz,
        weights=torch.block_diag(*laws),
        views=math.inf,
    )
    return known, embedding_error_bounds(h, world.y, max_images=None)


def fresh_error(world: OrbitWorld, fresh: OrbitWorld) -> float:
    """Share of the images of `fresh` with a view whose nearest centre of `world` is another class's.

    >>> worlds = [orbit_world(classes=3, per_class=20, order=4, noise=0.01, leak=0.01, outliers=0.1, seed=s)
    ...     for s in (0, 1)]
    >>> round(fresh_error(*worlds), 3)
    0.1
    """
    centres, _ = class_centres(unit_views(world.encoder(world.views)), world.y)
    rows = unit_views(fresh.encoder(fresh.views))
    nearest = torch.stack([(view[:, None] - centres).square().sum(dim=2).argmin(dim=1) for view in rows])
    return (nearest != fresh.y).any(dim=0).double().mean().item()


@dataclass(frozen=True, kw_only=True)
class CounterExample:
    """ArCL's example: alignment below epsilon for every epsilon, and yet a view on which risk is 1/4."""

    l_align: float
    """Measured; epsilon / 2 in expectation."""
    risk_zero: float
    """0-1 risk under the transformation c = 0: exactly 0."""
    risk_far: float
    """0-1 risk under c = 2 / sqrt(epsilon); 1/4 in expectation."""
    l_ar: float
    """Measured with m views; epsilon / 4 times the expected squared range of m normals in expectation."""


def counter_example(epsilon: float, *, views: int, images: int = 100_000, seed: int = 0) -> CounterExample:
    """X ~ N(0, I_2), Y = [X_1 >= 0], A_theta(x) = (x_1, theta x_2), theta ~ N(0, 1), f = x_1 + sqrt(eps)/2 x_2.

    Zhao et al. 2023 (arXiv:2303.01092, ArCL), section 3: alignment, a mean over transformations, does not
    bound the risk on a single one. The supremum in L_AR is infinite here; with m views it is finite and grows.

    >>> example = counter_example(0.01, views=2)
    >>> round(example.l_align, 3), example.risk_zero, round(example.risk_far, 2)
    (0.005, 0.0, 0.25)
    """
    if not 0 < epsilon < math.inf or views < 2 or images < 1:
        raise InputError(f"epsilon={epsilon}, views={views}, images={images}; expected > 0, >= 2, >= 1.")
    source = generator(seed, "counter_example")
    x = torch.randn(images, 2, generator=source, dtype=torch.float64)
    theta = torch.randn(views, images, generator=source, dtype=torch.float64)
    slope = math.sqrt(epsilon) / 2

    def f(c: Tensor | float) -> Tensor:
        return x[:, 0] + slope * c * x[:, 1]

    def risk(c: float) -> float:
        return ((f(c) >= 0) != (x[:, 0] >= 0)).double().mean().item()

    h = f(theta)[:, :, None]
    return CounterExample(
        l_align=(h[0] - h[1]).square().mean().item(),
        risk_zero=risk(0.0),
        risk_far=risk(1 / slope),
        l_ar=augmentation_robust(h).value,
    )


def expected_square_range(m: int) -> float:
    """E (max - min)^2 of m independent standard normals, by numerical integration to 1e-6.

    2, 2 + 3 sqrt(3) / pi, ... for m = 2, 3, ...

    >>> [round(expected_square_range(m), 2) for m in (2, 3, 4, 6)]
    [2.0, 3.65, 5.01, 7.14]
    """
    if m < 2:
        raise InputError(f"m={m}; a range needs at least two numbers.")
    root = torch.linspace(0, 4, 1601, dtype=torch.float64)  # r = root^2: the integrand is flat at 0
    r = root.square()
    x = torch.linspace(-15, 9, 2401, dtype=torch.float64)
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    width = torch.special.ndtr(x + r[:, None]) - torch.special.ndtr(x)
    below = m * torch.trapezoid(density * width.pow(m - 1), x, dim=1)
    return torch.trapezoid(4 * root * r * (1 - below), root).item()


@dataclass(frozen=True, kw_only=True)
class SquaredForm:
    """One instance of ArCL's Theorem 2 with absolute loss (Lipschitz constant 1)."""

    gap: float
    """R(h_A' f; D_A) - R(h_A f; D_A)."""
    squared: float
    """(||h_A|| + ||h_A'||) L_AR, the bound as printed."""
    first_power: float
    """(||h_A|| + ||h_A'||) sqrt(L_AR), the bound that is proved."""


def squared_form_fails(t: float) -> SquaredForm:
    """f(A) = (1, 0), f(A') = (1, t), y = 1: the gap is 1, the printed bound t^2 + t, the proved one 1 + t.

    >>> squared_form_fails(0.5)
    SquaredForm(gap=1.0, squared=0.75, first_power=1.5)
    """
    if not 0 < t < math.inf:
        raise InputError(f"t={t}; expected a positive number.")
    f_a, f_b = torch.tensor([[1.0, 0.0], [1.0, t]], dtype=torch.float64)
    h_a, h_b = torch.tensor([[1.0, 0.0], [0.0, 1 / t]], dtype=torch.float64)
    gap = (h_b @ f_a - 1).abs() - (h_a @ f_a - 1).abs()
    norms, distance = h_a.norm() + h_b.norm(), (f_a - f_b).norm()
    return SquaredForm(
        gap=gap.item(), squared=(norms * distance**2).item(), first_power=(norms * distance).item()
    )


WORLDS = (
    {"order": 4, "noise": 0.02, "outliers": 0.02},
    {"order": 16, "noise": 0.02, "outliers": 0.02},
    {"order": 64, "noise": 0.02, "outliers": 0.02},
    {"order": 8, "noise": 0.1, "outliers": 0.02},
    {"order": 8, "noise": 0.4, "outliers": 0.02},
    {"order": 8, "noise": 0.8, "outliers": 0.02},
)
"""Worlds of the report: augmentation grows richer, then the noise grows."""


def report() -> str:
    """The table of docs/theory/worlds.md: a world a row, certified errors beside that of a second world; a few seconds.

    >>> report().splitlines()[0]
    '| order | noise | delta | L delta | true error | theorem, known L | theorem, embedding | direct | cap |'
    """
    head = (
        "order",
        "noise",
        "delta",
        "L delta",
        "true error",
        "theorem, known L",
        "theorem, embedding",
        "direct",
        "cap",
    )
    lines = [head, ["---"] * len(head)]
    for setting in WORLDS:
        world, fresh = (
            orbit_world(
                classes=5,
                per_class=50,
                leak=0.02,
                order=int(setting["order"]),
                noise=setting["noise"],
                outliers=setting["outliers"],
                seed=seed,
            )
            for seed in (0, 1)
        )
        known, measured = world_bounds(world, fresh)
        numbers = (world.delta, world.lipschitz * world.delta, fresh_error(world, fresh))
        bounds = (known, measured.theorem, measured.direct, measured.cap)
        lines.append(
            [
                str(setting["order"]),
                str(setting["noise"]),
                *(f"{number:.3f}" for number in numbers),
                *(f"{bound.value:.3f} {bound.word}" if bound.holds else "vacuous: fails" for bound in bounds),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
