"""The main theorem in embedding space: certificates of the nearest-centre error without a Lipschitz constant.

docs/theory/bounds.md states and proves all three for the empirical law: the images at hand, each with its
drawn views, all equally likely.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.theory.bounds.bound import Bound
from contrascope.theory.bounds.error_bounds import best_error_bound
from contrascope.theory.concentration.cliques import closest_view_distances, greedy_clique, unit_images
from contrascope.theory.factors.alignment import check_views, worst_pair
from contrascope.theory.factors.divergence import class_codes

ROUNDING = 1e-9
"""Margins below this are not certified: rounding could have made them."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingBounds:
    """Three proved upper bounds of one error, from the most explained to the sharpest.

    The error is the share of images with at least one view whose nearest class centre is wrong; it is never
    below the error of single views or of mean views.
    """

    theorem: Bound
    """The main theorem with L delta replaced by delta_f, the measured distance of closest views."""
    direct: Bound
    """The same main parts, each class with its own (delta_f, eps), and the exact geometry of the centres."""
    cap: Bound
    """Images with all views in the largest cap about their class axis that no other class can claim."""

    @property
    def best(self) -> Bound:
        """The smallest of those that hold."""
        return min((self.theorem, self.direct, self.cap), key=lambda bound: (not bound.holds, bound.value))


@dataclass(frozen=True, kw_only=True)
class _Class:
    images: Tensor
    worst: Tensor
    means: Tensor
    distance: Tensor


def embedding_error_bounds(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " labels"],
    *,
    max_images: int | None = 400,
    levels: int = 16,
    seed: int = 0,
) -> EmbeddingBounds:
    """Certified upper bounds of the nearest-centre error of these images, features normalised.

    Main parts are greedy cliques at `levels` quantiles of the distances within classes, denser near 1;
    epsilon is swept over every measured worst pair of views. A class with more than `max_images` images is
    represented by that many, drawn without replacement and keyed by `seed` (None: all): then centres, priors
    and the error are those of the images used, and the certificate is exact for them. Needs 2 views and 2
    classes; a class may have one image.

    >>> h = torch.eye(2).repeat(2, 4, 1)
    >>> print(embedding_error_bounds(h, torch.tensor([0, 1] * 4)).theorem)
    Err <= 0 (informative: better than the trivial 0.5)
    """
    check_views(h, least=2)
    codes, classes = class_codes(y, h.shape[1], least=2)
    if (max_images is not None and max_images < 1) or levels < 1:
        raise InputError(f"max_images={max_images}, levels={levels}; expected at least 1 of each.")
    parts = [
        _measure(h, _drawn((codes == k).nonzero().flatten(), max_images, seed, k))
        for k in range(len(classes))
    ]
    counts = torch.tensor([len(part.images) for part in parts], dtype=torch.float64, device=h.device)
    priors = counts / counts.sum()
    centres = torch.stack([part.means.mean(dim=0) for part in parts])
    deltas = _delta_grid(parts, levels)
    cliques = [[greedy_clique(part.distance, delta) for part in parts] for delta in deltas]
    shared = _errors(h, parts, centres) | {"images": counts.sum().item(), "views": float(len(h))}
    return EmbeddingBounds(
        theorem=_theorem(parts, cliques, centres, priors, shared),
        direct=_direct(parts, cliques, centres, priors, shared),
        cap=_cap(h, parts, centres, priors, shared),
    )


def _drawn(images: Tensor, most: int | None, seed: int, k: int) -> Tensor:
    if most is None or len(images) <= most:
        return images
    order = torch.randperm(len(images), generator=generator(seed, "embedding_bound", k))[:most]
    return images[order.sort().values.to(images.device)]


def _measure(h: Tensor, images: Tensor) -> _Class:
    rows = unit_images(h, images)
    return _Class(
        images=images,
        worst=worst_pair(rows.transpose(0, 1)),
        means=rows.mean(dim=1),
        distance=closest_view_distances(rows),
    )


def _delta_grid(parts: list[_Class], levels: int) -> list[float]:
    """Quantiles of the pooled distances of different images of one class, denser towards their maximum.

    The last is the maximum. A share s of pairs is about a main part with the share sqrt(s) of the class.
    """
    pooled = []
    for part in parts:
        row, column = torch.triu_indices(len(part.images), len(part.images), 1, device=part.distance.device)
        pooled.append(part.distance[row, column])
    values = torch.cat(pooled).sort().values
    if len(values) == 0:
        return [0.0]
    shares = [1 - 2 ** (-10 * (level + 1) / levels) for level in range(levels - 1)] + [1.0]
    places = [math.ceil(len(values) * share) - 1 for share in shares]
    return values[torch.tensor(places, device=values.device)].unique().tolist()


def _diameter(part: _Class, clique: Tensor) -> float:
    members = clique.to(part.distance.device)
    return part.distance[members][:, members].max().item()


def _theorem(
    parts: list[_Class],
    cliques: list[list[Tensor]],
    centres: Tensor,
    priors: Tensor,
    shared: dict[str, float],
) -> Bound:
    worst = torch.cat([part.worst for part in parts])
    best = None
    for level in cliques:
        sigma = min(len(clique) / len(part.images) for part, clique in zip(parts, level, strict=True))
        delta = max(_diameter(part, clique) for part, clique in zip(parts, level, strict=True))
        bound = best_error_bound(worst, centres, priors, sigma=sigma, delta=delta, lipschitz=1.0)
        if best is None or _rank(bound) < _rank(best):
            best = bound
    assert best is not None
    terms = {"delta_f" if name == "delta" else name: value for name, value in best.terms.items()}
    del terms["lipschitz"]
    return Bound(
        name="Err",
        value=best.value,
        terms=terms | shared,
        conditions=best.conditions,
        trivial=best.trivial,
        source="Huang et al. 2023, Theorem 1, with L delta replaced by measured distances of closest views",
    )


def _rank(bound: Bound) -> tuple[bool, float]:
    """Bounds that hold come first, the smallest first; then those closest to their conditions."""
    return not bound.holds, bound.value if bound.holds else -bound.terms["smallest_slack"]


def _direct(
    parts: list[_Class],
    cliques: list[list[Tensor]],
    centres: Tensor,
    priors: Tensor,
    shared: dict[str, float],
) -> Bound:
    shares, deltas, epsilons = [], [], []
    for k, part in enumerate(parts):
        found = [_direct_share(part, level[k], centres, k) for level in cliques]
        share, delta, epsilon = max(found, key=lambda item: item[0])
        shares.append(share)
        deltas.append(delta)
        epsilons.append(epsilon)
    terms = {"certified_classes": float(sum(share > 0 for share in shares)), "delta_f": max(deltas)}
    return Bound(
        name="Err",
        value=1 - (priors.cpu() @ torch.tensor(shares, dtype=torch.float64)).item(),
        terms=terms | {"epsilon": max(epsilons), "smallest_share": min(shares)} | shared,
        conditions={},
        trivial=1 - priors.max().item(),
        source="cap about the mean of the main part; proved in docs/theory/bounds.md",
    )


def _direct_share(part: _Class, clique: Tensor, centres: Tensor, k: int) -> tuple[float, float, float]:
    """Largest certified share of class k over all epsilon for one main part; its delta_f and epsilon."""
    order = clique.to(part.worst.device)[part.worst[clique.to(part.worst.device)].argsort(stable=True)]
    worst = part.worst[order]
    size = torch.arange(1, len(order) + 1, dtype=torch.float64, device=worst.device)
    axis = part.means[order].cumsum(dim=0) / size[:, None]
    delta = _diameter(part, clique)
    reach = delta + 2 * worst
    length = torch.linalg.vector_norm(axis, dim=1)
    cosine = torch.where(length > 0, (1 - reach.square() / 2) / length.clamp_min(1e-300), -1.0)
    radius = cosine.clamp(-1, 1).arccos()
    certified = _cap_limits(axis, centres, k) > radius + ROUNDING
    # members at an equal worst distance belong to S_eps together
    last = torch.cat([worst[1:] > worst[:-1], worst.new_ones(1, dtype=torch.bool)])
    places = (certified & last).nonzero().flatten()
    if len(places) == 0:
        return 0.0, delta, 0.0
    at = int(places[-1])
    return (at + 1) / len(part.images), delta, worst[at].item()


def _cap_limits(axes: Float[Tensor, "rows dim"], centres: Tensor, k: int) -> Float[Tensor, " rows"]:
    """Largest angle about each axis within which every unit vector is strictly nearest to centre k.

    Negative where the axis itself is not; at most pi.
    """
    others = torch.arange(len(centres), device=centres.device) != k
    toward = centres[k] - centres[others]
    length = torch.linalg.vector_norm(toward, dim=1)
    middle = (centres[k].square().sum() - centres[others].square().sum(dim=1)) / 2
    height = torch.where(length > 0, middle / length.clamp_min(1e-300), math.inf)
    cosine = (axes @ toward.T) / (
        torch.linalg.vector_norm(axes, dim=1, keepdim=True).clamp_min(1e-300) * length.clamp_min(1e-300)
    )
    open_angle = height.clamp(-1, 1).arccos() - cosine.clamp(-1, 1).arccos()
    limit = torch.where(height < -1, math.pi, torch.where(height >= 1, -math.inf, open_angle))
    return limit.amin(dim=1)


def _cap(h: Tensor, parts: list[_Class], centres: Tensor, priors: Tensor, shared: dict[str, float]) -> Bound:
    shares, radii = [], []
    for k, part in enumerate(parts):
        axis = centres[k] / torch.linalg.vector_norm(centres[k]).clamp_min(1e-300)
        radius = _cap_limits(axis[None], centres, k)[0].item()
        widest = (unit_images(h, part.images) @ axis).amin(dim=1).clamp(-1, 1).arccos()
        shares.append((widest < radius - ROUNDING).double().mean())
        radii.append(radius)
    return Bound(
        name="Err",
        value=1 - (priors @ torch.stack(shares)).item(),
        terms={"smallest_radius": min(radii), "smallest_share": min(shares).item()} | shared,
        conditions={},
        trivial=1 - priors.max().item(),
        source="cap about the class axis; proved in docs/theory/bounds.md",
    )


def _errors(h: Tensor, parts: list[_Class], centres: Tensor) -> dict[str, float]:
    """Share of images with a wrong view, and of views that are wrong; a tie of centres is wrong."""
    any_wrong, views_wrong, images = 0.0, 0.0, 0
    for k, part in enumerate(parts):
        rows = unit_images(h, part.images)
        score = rows @ centres.T - centres.square().sum(dim=1) / 2
        own = score[:, :, k].clone()
        score[:, :, k] = -math.inf
        wrong = own <= score.amax(dim=2)
        any_wrong += wrong.any(dim=1).sum().item()
        views_wrong += wrong.double().mean(dim=1).sum().item()
        images += len(part.images)
    return {"error": any_wrong / images, "error_of_views": views_wrong / images}
