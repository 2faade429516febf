"""How far apart the views of one image lie: L_align, the worst pair, and the whole curve of R_epsilon."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import Estimate, mean_estimate, share_estimate, share_interval
from contrascope.linalg import require_finite, unit_rows

BLOCK_ROWS = 512
"""Images whose views are held in float64 at once."""


@dataclass(frozen=True, kw_only=True)
class REpsilonCurve:
    """R_epsilon on a grid with pointwise 95 % intervals, and the sample that makes it exact everywhere."""

    epsilons: Float[Tensor, " points"]
    """Where the curve is evaluated, rising."""
    share: Float[Tensor, " points"]
    """R_epsilon: share of images whose worst pair is farther apart than epsilon, in [0, 1]."""
    low: Float[Tensor, " points"]
    """Lower ends; equal to the share without draws."""
    high: Float[Tensor, " points"]
    """Upper ends; equal to the share without draws."""
    worst: Float[Tensor, " n"]
    """Worst distance of every image, rising: the curve falls by 1/n at each of them and nowhere else."""

    def at(self, epsilon: float) -> float:
        """The exact R_epsilon of the sample at any epsilon.

        >>> r_epsilon_curve(torch.tensor([[[0.0], [0.0]], [[1.0], [3.0]]])).at(2.0)
        0.5
        """
        farther = len(self.worst) - int(torch.searchsorted(self.worst, epsilon, right=True))
        return farther / len(self.worst)


def unit_views(h: Float[Tensor, "views n dim"]) -> Float[Tensor, "views n dim"]:
    """Every view of every image divided by its Euclidean norm; a zero row stays zero.

    >>> unit_views(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])).tolist()
    [[[0.6..., 0.8...], [0.0, 0.0]]]
    """
    return torch.stack([unit_rows(view) for view in h]) if len(h) else h


def check_views(h: Float[Tensor, "views n dim"], *, least: int = 1) -> None:
    """Raises `InputError` where there are too few views, no image or dimension, or a non-finite value.

    >>> check_views(torch.zeros(1, 4, 3), least=2)
    Traceback (most recent call last):
    contrascope.errors.InputError: h has 1 view of 4 images in 3 dimensions; ...
    """
    if len(h) < least or h.shape[1] == 0 or h.shape[2] == 0:
        views = f"{len(h)} view{'s' if len(h) != 1 else ''}"
        raise InputError(
            f"h has {views} of {h.shape[1]} images in {h.shape[2]} dimensions; expected at least "
            f"{least} of every image, 1 image and 1 dimension, as [views n dim]. "
            + ("A pair needs views >= 2: embed more views." if least > 1 else "Check the axes.")
        )
    for index, view in enumerate(h):
        require_finite(view, f"h[{index}]")


def pair_distance_blocks(
    h: Float[Tensor, "views n dim"], *, block_rows: int = BLOCK_ROWS
) -> Iterator[tuple[int, Float[Tensor, "pairs rows"]]]:
    """Pairs (first image, distances of all unordered pairs of different views of these images), in float64.

    From differences, not from inner products, so that equal views are at distance exactly 0.

    >>> [(start, block.tolist()) for start, block in pair_distance_blocks(torch.tensor([[[0.0]], [[3.0]]]))]
    [(0, [[3.0]])]
    """
    check_views(h, least=2)
    first, second = torch.triu_indices(len(h), len(h), 1)
    for start in range(0, h.shape[1], block_rows):
        block = h[:, start : start + block_rows].transpose(0, 1).to(torch.float64)
        every = torch.cdist(block, block, compute_mode="donot_use_mm_for_euclid_dist")
        yield start, every[:, first, second].T


def image_alignment(
    h: Float[Tensor, "views n dim"], *, exponent: float = 2.0, block_rows: int = BLOCK_ROWS
) -> Float[Tensor, " n"]:
    """Mean over unordered pairs of different views of their distance to the power `exponent`, per image.

    Exponent 2 goes through the view mean, mean over pairs = 2 / (views - 1) * sum of ||h_i - mean||^2, and
    never forms a pair. In [0, 2^exponent] for unit rows. Huang et al. 2023 (arXiv:2111.00743), L_align before
    its expectation over images; Wang and Isola 2020 (arXiv:2005.10242) call the exponent alpha.

    >>> image_alignment(torch.tensor([[[0.0]], [[3.0]]])).tolist()
    [9.0]
    """
    if not exponent > 0:
        raise InputError(f"exponent={exponent}; expected a positive number, 2 in the theory.")
    if exponent == 2:
        check_views(h, least=2)
        return _through_the_mean(h, block_rows)
    blocks = pair_distance_blocks(h, block_rows=block_rows)
    return torch.cat([block.pow(exponent).mean(dim=0) for _, block in blocks])


def _through_the_mean(h: Tensor, block_rows: int) -> Tensor:
    parts = []
    for start in range(0, h.shape[1], block_rows):
        block = h[:, start : start + block_rows].to(torch.float64)
        block = block - block[:1]  # a common shift: equal views give exactly 0
        spread = (block - block.mean(dim=0)).square().sum(dim=(0, 2))
        parts.append(2 / (len(h) - 1) * spread)
    return torch.cat(parts)


def mean_pair(h: Float[Tensor, "views n dim"], *, block_rows: int = BLOCK_ROWS) -> Float[Tensor, " n"]:
    """Mean distance over pairs of different views of every image.

    >>> mean_pair(torch.tensor([[[0.0]], [[1.0]], [[2.0]]])).tolist()
    [1.333...]
    """
    return image_alignment(h, exponent=1.0, block_rows=block_rows)


def worst_pair(h: Float[Tensor, "views n dim"], *, block_rows: int = BLOCK_ROWS) -> Float[Tensor, " n"]:
    """Largest distance over pairs of views of every image; from below the supremum over all views.

    >>> worst_pair(torch.tensor([[[0.0]], [[1.0]], [[3.0]]])).tolist()
    [3.0]
    """
    return torch.cat([block.amax(dim=0) for _, block in pair_distance_blocks(h, block_rows=block_rows)])


def alignment(
    h: Float[Tensor, "views n dim"],
    *,
    exponent: float = 2.0,
    draws: int = 0,
    seed: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> Estimate:
    """L_align = E_x E ||f(x_1) - f(x_2)||^exponent over images and pairs of different views; 0 is best.

    For unit rows and exponent 2 it is 2 - 2 E cos, in [0, 4]. Huang et al. 2023, section 2, take both views
    independently from A(x); pairs of different drawn views estimate that without bias.

    >>> alignment(torch.tensor([[[0.0], [0.0]], [[1.0], [3.0]]])).value
    5.0
    """
    values = image_alignment(h, exponent=exponent, block_rows=block_rows)
    return mean_estimate(values, draws=draws, seed=seed, key="alignment", within=(0.0, math.inf))


def augmentation_robust(
    h: Float[Tensor, "views n dim"], *, draws: int = 0, seed: int = 0, block_rows: int = BLOCK_ROWS
) -> Estimate:
    """L_AR: mean over images of the squared distance of their worst pair of views; at least L_align.

    Zhao et al. 2023 (arXiv:2303.01092, ArCL) take the supremum over the augmentation; the largest pair
    among the given views is below it and grows with their number.

    >>> augmentation_robust(torch.tensor([[[0.0]], [[1.0]], [[3.0]]])).value
    9.0
    """
    values = worst_pair(h, block_rows=block_rows).square()
    return mean_estimate(values, draws=draws, seed=seed, key="augmentation_robust", within=(0.0, math.inf))


def r_epsilon(
    h: Float[Tensor, "views n dim"],
    epsilon: float,
    *,
    draws: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> Estimate:
    """R_epsilon: share of images whose worst pair of views is farther apart than epsilon, in [0, 1].

    Huang et al. 2023, section 2: P[x not in S_epsilon] (their text of it misses the complement bar); views
    at distance exactly epsilon belong to S_epsilon. From few views it is an estimate from below.

    >>> r_epsilon(torch.tensor([[[0.0], [0.0]], [[1.0], [3.0]]]), 1.0).value
    0.5
    """
    if not epsilon >= 0:
        raise InputError(f"epsilon={epsilon}; a distance is at least 0.")
    values = (worst_pair(h, block_rows=block_rows) > epsilon).double()
    return share_estimate(values, draws=draws)


def r_epsilon_curve(
    h: Float[Tensor, "views n dim"],
    epsilons: Float[Tensor, " points"] | None = None,
    *,
    draws: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> REpsilonCurve:
    """R_epsilon over a grid of epsilon: an empirical survival function, exact at every point.

    The default grid is 51 equal steps from 0 to the largest worst distance, where the curve reaches 0; all
    of it is 0 where views coincide. Each point agrees with `r_epsilon`.

    >>> curve = r_epsilon_curve(torch.tensor([[[0.0], [0.0]], [[1.0], [3.0]]]), torch.tensor([0.0, 2.0, 3.0]))
    >>> curve.share.tolist()
    [1.0, 0.5, 0.0]
    """
    worst = worst_pair(h, block_rows=block_rows).detach().cpu()
    if epsilons is None:
        epsilons = torch.linspace(0, worst.max().item(), 51, dtype=torch.float64)
        epsilons[-1] = worst.max()
    grid = epsilons.to(device="cpu", dtype=torch.float64)
    if not bool((grid >= 0).all()) or bool((grid.diff() < 0).any()):
        raise InputError(f"epsilons={grid.tolist()}; expected distances of at least 0 in rising order.")
    farther = (worst[:, None] > grid).double()
    share = farther.mean(dim=0)
    low, high = share, share
    if draws:
        ends = [share_interval(column) for column in farther.T]
        low, high = (torch.tensor(end, dtype=torch.float64) for end in zip(*ends, strict=True))
    return REpsilonCurve(epsilons=grid, share=share, low=low, high=high, worst=worst.sort().values)
