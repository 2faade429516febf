"""The main theorem under colour shifts, with every number in it exact, or estimated from drawn views."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import class_means
from contrascope.theory.concentration.augmented_distance import augmented_distance
from contrascope.theory.concentration.concentration import concentration, delta_grid
from contrascope.theory.concentration.sigma import SigmaDelta, best_sigma_delta
from contrascope.theory.factors.alignment import worst_pair
from contrascope.theory.factors.divergence import class_codes
from contrascope.theory.worlds.shift_world import ShiftEncoder, shift_distance, shift_views

NODES = 16
"""Gauss-Legendre nodes a channel for means over shifts: exact to about 1e-12 within the leaks that are accepted."""

MOST_CHANNELS = 4
"""Channels above which that many nodes a channel are too many."""

SAME = 1e-12
"""Images nearer than this share of the largest distance have common views, so no slope between them."""


@dataclass(frozen=True, kw_only=True)
class ShiftTruth:
    """All that Theorem 1 asks for, of these images under shifts and one encoder."""

    distance: Float[Tensor, "n n"]
    """d_A, in the images' unit."""
    worst: Float[Tensor, " n"]
    """sup over two views of ||f(x_1) - f(x_2)||, of every image, in [0, 2]: R_eps for every epsilon."""
    centres: Float[Tensor, "classes dim"]
    """mu_k, mean over the class's images and all their views, shifts uniform."""
    priors: Float[Tensor, " classes"]
    """Share of each class."""
    lipschitz: float
    """Largest ||f(x_i') - f(x_j')|| / d_A(x_i, x_j) over all pairs, at their nearest views x_i', x_j'."""
    lipschitz_within: float
    """The same over pairs of one class: all that the proof of the theorem uses."""
    error: float
    """Share of the images whose nearest centre is another class's: Err(G_f), in [0, 1]; they are the population."""
    views: int | float = math.inf
    """Views that the numbers are over."""


def shift_truth(
    images: Float[Tensor, "n channel pixels"],
    y: Int[Tensor, " labels"],
    encoder: ShiftEncoder,
    *,
    reach: float,
) -> ShiftTruth:
    """The exact numbers; the population is the given images, equally likely, with all their views.

    Huang et al. 2023 (arXiv:2111.00743), section 3. Of several nearest views the two that share the shift equally
    are taken. For the invariant encoder `lipschitz` is the Lipschitz number between views of different images;
    with a leak it is the slope at the nearest views, which is where the proof of Lemma 3.2 uses it, and a
    Lipschitz constant over all views may be larger. `worst`: chords between corners of the box of shifts; the angle
    between two vectors at most a right one apart is quasi-convex in each of them, so that the largest is at
    corners. Hence a leak with leak reach sqrt(channels) above the length of an image's invariant part is refused.

    >>> images = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]], [[1.0, 0.0]], [[3.0, 1.0]]])
    >>> truth = shift_truth(images, torch.tensor([0, 0, 1, 1]), ShiftEncoder(), reach=1.0)
    >>> truth.error, truth.worst.tolist(), round(truth.lipschitz, 4), truth.lipschitz_within
    (0.0, [0.0, 0.0, 0.0, 0.0], 1.4142, 0.0)
    """
    codes, classes = class_codes(y, len(images), least=2)
    distance = shift_distance(images, reach=reach)
    mean, shape = encoder.parts(images)
    move = encoder.leak * reach
    _check_leak(shape, move, mean.shape[1])
    h = torch.stack([_mean_view(*part, move) for part in zip(mean, shape, strict=True)])
    worst, slopes = _worst(mean, shape, move), _slopes(distance, mean, shape, move)
    return _summary(h, encoder(images), codes, len(classes), distance, worst, slopes)


def shift_estimate(
    images: Float[Tensor, "n channel pixels"],
    y: Int[Tensor, " labels"],
    encoder: ShiftEncoder,
    *,
    reach: float,
    num_views: int,
    seed: int = 0,
) -> ShiftTruth:
    """The same numbers as someone would estimate them who has `num_views` drawn views of each image.

    d_A comes out too large, `worst` and the slopes (at the nearest drawn views) too small: a bound with them is
    no certificate. The smallest distance is over the pixels; which views attain it is found by their means.

    >>> images = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]]])
    >>> shift_estimate(images, torch.tensor([0, 1]), ShiftEncoder(), reach=1.0, num_views=1).distance[0, 1].item()
    2.82...
    """
    codes, classes = class_codes(y, len(images), least=2)
    views = shift_views(images.double(), reach=reach, num_views=num_views, seed=seed)
    pictures = views.unflatten(2, images.shape[1:])
    h = torch.stack([encoder(view) for view in pictures])
    distance = augmented_distance(views)
    tones = pictures.mean(dim=3)
    slopes = torch.zeros_like(distance)
    for i in range(len(images)):
        gap = torch.cdist(tones[:, i], tones.flatten(0, 1), compute_mode="donot_use_mm_for_euclid_dist")
        place = gap.view(num_views, num_views, -1).flatten(0, 1).argmin(dim=0)
        one, other = h[place // num_views, i], h[place % num_views, torch.arange(len(images))]
        slopes[i] = (one - other).norm(dim=1)
    slopes = _over(slopes, distance)
    worst = worst_pair(h) if num_views > 1 else h.new_zeros(len(images))
    found = _summary(h.mean(dim=0), h[0], codes, len(classes), distance, worst, slopes)
    return replace(found, views=num_views)


def shift_bound(
    known: ShiftTruth,
    y: Int[Tensor, " labels"],
    *,
    within: bool = False,
    size: int = 33,
    seconds: float | int = 10.0,
) -> SigmaDelta:
    """Theorem 1 at the best (sigma, delta, epsilon).

    The grid is `size` quantiles of d_A within classes, and what remains the largest distance of a class when the
    image farthest from the others is left out, again and again, down to half: the deltas at which sigma is large and
    few images decide. `within` takes the slope within classes instead of the Lipschitz number over all pairs.

    >>> images = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]], [[1.0, 0.0]], [[3.0, 2.0]]])
    >>> y = torch.tensor([0, 0, 1, 1])
    >>> print(shift_bound(shift_truth(images, y, ShiftEncoder(), reach=1.0), y).bound)
    Err <= 0 over all views (informative: better than the trivial 0.5)
    """
    grid = delta_grid(known.distance, y, size=size, low=0.05, high=1.0)
    grid = torch.cat([grid, _peeled(known.distance, y)]).unique()
    return best_sigma_delta(
        concentration(known.distance, y, grid, seconds=seconds),
        known.worst,
        known.centres,
        known.priors,
        lipschitz=known.lipschitz_within if within else known.lipschitz,
        views=known.views,
    )


def _peeled(distance: Tensor, y: Tensor) -> Tensor:
    """Largest distance of every class while the image with the largest sum of distances is left out, down to half."""
    found = []
    for label in y.unique():
        rows = (y == label).nonzero().flatten()
        for _ in range(1 + len(rows) // 2):
            inner = distance[rows][:, rows]
            found.append(inner.max())
            rows = rows[torch.arange(len(rows)) != inner.sum(dim=1).argmax()]
    return torch.stack(found)


def _check_leak(shape: Tensor, move: float, channels: int) -> None:
    if move > 0 and channels > MOST_CHANNELS:
        raise InputError(
            f"images with {channels} channels; means over shifts are exact for at most {MOST_CHANNELS} where the "
            "encoder leaks. Take leak=0 or fewer channels."
        )
    length = shape.norm(dim=1)
    if move * math.sqrt(channels) > length.min().item():
        raise InputError(
            f"leak times reach is {move:.4g}, but the invariant part of image {int(length.argmin())} is only "
            f"{length.min():.4g} long; expected at most that over sqrt({channels}). Choose a smaller leak."
        )


def _mean_view(mean: Tensor, shape: Tensor, move: float) -> Tensor:
    """E f over the shifts of one image, as an integral over the box by Gauss-Legendre nodes."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(NODES))
    if move == 0:
        nodes, weights = nodes[:1], 2 * torch.ones_like(weights[:1])
    channels = len(mean)
    box = torch.cartesian_prod(*[nodes] * channels).view(-1, channels) * move + mean
    mass = torch.cartesian_prod(*[weights / 2] * channels).view(-1, channels).prod(dim=1)
    share = mass / (shape.square().sum() + box.square().sum(dim=1)).sqrt()
    return torch.cat([shape * share.sum(), share @ box])


def _worst(mean: Tensor, shape: Tensor, move: float) -> Tensor:
    """Longest chord between embeddings at two corners of the box of shifts."""
    if move == 0:
        return mean.new_zeros(len(mean))
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=mean.shape[1])), dtype=torch.float64)
    corners = mean[:, None] + move * signs
    length = shape.norm(dim=1)[:, None, None].expand(-1, corners.shape[1], 1)
    rows = torch.nn.functional.normalize(torch.cat([length, corners], dim=2), dim=2)
    return worst_pair(rows.transpose(0, 1))


def _slopes(distance: Tensor, mean: Tensor, shape: Tensor, move: float) -> Tensor:
    """||f(x_i') - f(x_j')|| / d_A at the nearest views, row by row."""
    rows = []
    for i in range(len(mean)):
        half = ((mean - mean[i]) / 2).clamp(-move, move)
        one = torch.cat([shape[i].expand_as(shape), mean[i] + half], dim=1)
        other = torch.cat([shape, mean - half], dim=1)
        gap = torch.nn.functional.normalize(one, dim=1) - torch.nn.functional.normalize(other, dim=1)
        rows.append(gap.norm(dim=1))
    return _over(torch.stack(rows), distance)


def _over(gap: Tensor, distance: Tensor) -> Tensor:
    apart = distance > SAME * distance.max()
    return torch.where(apart, gap / torch.where(apart, distance, 1.0), 0.0)


def _summary(
    h: Tensor, clean: Tensor, codes: Tensor, classes: int, distance: Tensor, worst: Tensor, slopes: Tensor
) -> ShiftTruth:
    counts = codes.bincount(minlength=classes).double()
    centres = class_means(h, codes, classes)
    nearest = torch.cdist(clean, centres, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
    own = codes[:, None] == codes
    return ShiftTruth(
        distance=distance,
        worst=worst,
        centres=centres,
        priors=counts / counts.sum(),
        lipschitz=slopes.max().item(),
        lipschitz_within=torch.where(own, slopes, 0.0).max().item(),
        error=(nearest != codes).double().mean().item(),
    )
