"""The main theorem in embedding space: certificates of the nearest-centre error without a Lipschitz constant.

docs/theory/bounds.md states and proves all three: the centres come from one half of the images, the error is that of
the other half, each image with its drawn views.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.theory.bounds.bound import Bound, over_views
from contrascope.theory.bounds.caps import ROUNDING, cap_limits
from contrascope.theory.bounds.error_bounds import best_error_bound
from contrascope.theory.bounds.halves import MAX_IMAGES, Halves, class_halves
from contrascope.theory.bounds.limits import share_limit
from contrascope.theory.bounds.main_parts import ClassParts, class_parts
from contrascope.theory.factors.alignment import check_views
from contrascope.theory.factors.divergence import class_codes


@dataclass(frozen=True, kw_only=True)
class EmbeddingBounds:
    """Three proved upper bounds of one error, from the most explained to the sharpest.

    The error is the share of images with at least one view whose nearest class centre is wrong, where the centre was
    made from the other half; it is never below the error of single views or of mean views. `limit` is what it may be
    on new images with as many views, with 95 % confidence.
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
class _Fold:
    """What one half judges with the centres of the other."""

    parts: list[ClassParts]
    judged: list[Tensor]
    centres: Tensor
    """Of the classes with an image among those that make centres."""
    known: list[int]
    """These classes, in the order of the centres."""
    priors: Tensor

    def error(self, certified: Callable[[int], Tensor | None]) -> float:
        """1 minus the share of judged images that are certified; a class without centre or judged image has none."""
        share = 0.0
        for k in self.known:
            right = certified(k)
            if right is not None and bool(self.judged[k].any()) and len(self.known) > 1:
                share += self.priors[k].item() * right[self.judged[k]].double().mean().item()
        return min(1.0, max(0.0, 1 - share))


def embedding_error_bounds(
    h: Float[Tensor, "views n dim"],
    y: Int[Tensor, " labels"],
    *,
    max_images: int | None = MAX_IMAGES,
    levels: int = 16,
    seed: int = 0,
) -> EmbeddingBounds:
    """Certified upper bounds of the nearest-centre error on images that did not make the centres, features normalised.

    Every class is cut into random halves; each half is judged by the centres of the other, and the values are means of
    the two. Main parts are greedy cliques at `levels` quantiles of the distances within classes, denser near 1;
    epsilon is swept over every measured worst pair of views. A class with more than `max_images` images is represented
    by that many (None: all), at its share of all labels. Needs 2 views and 2 classes; an image that is alone in its
    class counts as wrong. The error may be larger with more views than these.

    >>> h = torch.eye(2).repeat(2, 20, 1)
    >>> print(embedding_error_bounds(h, torch.tensor([0, 1] * 20)).theorem)
    Err <= 0 at 2 views an image (informative: 0.1391 on new images, better than the trivial 0.5)
    """
    check_views(h, least=2)
    codes, classes = class_codes(y, h.shape[1], least=2)
    if levels < 1:
        raise InputError(f"levels={levels}; expected at least 1.")
    halves = class_halves(codes, len(classes), max_images=max_images, seed=seed)
    parts = class_parts(h, halves.images, levels)
    folds = [_fold(parts, halves, fold) for fold in (0, 1)]
    errors = [_errors(fold) for fold in folds]
    shared = {name: (errors[0][name] + errors[1][name]) / 2 for name in errors[0]}
    shared |= {"images": float(sum(len(part.rows) for part in parts)), "views": float(len(h))}
    size, trivial = halves.size(), 1 - halves.priors.max().item()

    def bound(found: list[tuple[float, dict[str, float], dict[str, bool]]], source: str) -> Bound:
        value = (found[0][0] + found[1][0]) / 2
        worse = max(found, key=lambda one: (not all(one[2].values()), one[0]))
        return Bound(
            name="Err",
            value=value,
            terms=worse[1] | shared,
            conditions={
                name: all(one[2].get(name, True) for one in found) for name in found[0][2] | found[1][2]
            },
            trivial=trivial,
            source=source,
            limit=share_limit(value, size),
            scope=over_views(len(h)),
        )

    return EmbeddingBounds(
        theorem=bound(
            [_theorem(fold) for fold in folds],
            "Huang et al. 2023, Theorem 1, with L delta replaced by measured distances of closest views",
        ),
        direct=bound(
            [_direct(fold) for fold in folds],
            "cap about the mean of the main part; proved in docs/theory/bounds.md",
        ),
        cap=bound(
            [_cap(fold) for fold in folds], "cap about the class axis; proved in docs/theory/bounds.md"
        ),
    )


def _fold(parts: list[ClassParts], halves: Halves, fold: int) -> _Fold:
    judged = [halves.judged(k, fold) for k in range(len(parts))]
    known = [k for k in range(len(parts)) if bool((~judged[k]).any())]
    centres = [parts[k].means[~judged[k]].mean(dim=0) for k in known]
    dim = parts[0].means.shape[1]
    return _Fold(
        parts=parts,
        judged=judged,
        centres=torch.stack(centres) if centres else parts[0].means.new_zeros(0, dim),
        known=known,
        priors=halves.priors,
    )


_Found = tuple[float, dict[str, float], dict[str, bool]]
"""Value, terms and conditions of one fold."""


def _theorem(fold: _Fold) -> _Found:
    """The level with the smallest value; where none holds, the one whose centres come closest to their thresholds."""
    if len(fold.known) < 2:
        return 1.0, {}, {"centres of at least two classes": False}
    found = [_theorem_at(fold, level) for level in range(len(fold.parts[0].cliques))]

    def rank(one: _Found) -> tuple[bool, float]:
        holds = all(one[2].values())
        return not holds, one[0] if holds else -one[1]["smallest_slack"]

    return min(found, key=rank)


def _theorem_at(fold: _Fold, level: int) -> _Found:
    parts, made = fold.parts, [~judged for judged in fold.judged]
    priors = fold.priors[fold.known] / fold.priors[fold.known].sum()
    weights = [prior * made[k].double() / made[k].sum() for prior, k in zip(priors, fold.known, strict=True)]
    bound = best_error_bound(
        torch.cat([parts[k].worst for k in fold.known]),
        fold.centres,
        priors,
        sigma=min(parts[k].cliques[level][made[k]].double().mean().item() for k in fold.known),
        delta=max(parts[k].diameters[level] for k in fold.known),
        lipschitz=1.0,
        weights=torch.cat(weights)[None],
    )
    outside = fold.error(lambda k: parts[k].cliques[level])
    epsilon = bound.terms["epsilon"]
    far = sum(
        fold.priors[k].item() * (parts[k].worst[fold.judged[k]] > epsilon).double().mean().item()
        for k in fold.known
        if bool(fold.judged[k].any())
    )
    terms = {"delta_f" if name == "delta" else name: value for name, value in bound.terms.items()}
    del terms["lipschitz"]
    terms |= {"sigma_judged": 1 - outside, "r_epsilon_judged": far}
    return min(1.0, outside + far), terms, bound.conditions


def _direct(fold: _Fold) -> _Found:
    found = {
        k: max(
            (_direct_share(fold, k, place, level) for level in range(len(fold.parts[k].cliques))),
            key=lambda one: one[0],
        )
        for place, k in enumerate(fold.known)
        if len(fold.known) > 1 and bool(fold.judged[k].any())
    }
    value = 1 - sum(fold.priors[k].item() * share for k, (share, _, _) in found.items())
    shares, deltas, epsilons = zip(*found.values(), strict=True) if found else ((0.0,), (0.0,), (0.0,))
    terms = {
        "certified_classes": float(sum(share > 0 for share in shares)),
        "delta_f": max(deltas),
        "epsilon": max(epsilons),
        "smallest_share": min(shares),
    }
    return min(1.0, max(0.0, value)), terms, {}


def _direct_share(fold: _Fold, k: int, place: int, level: int) -> tuple[float, float, float]:
    """Largest certified share of the judged images of class k over all epsilon for one main part; delta_f, epsilon."""
    part, judged = fold.parts[k], fold.judged[k]
    clique = part.cliques[level].nonzero().flatten()
    order = clique[part.worst[clique].argsort(stable=True)]
    worst = part.worst[order]
    size = torch.arange(1, len(order) + 1, dtype=torch.float64, device=worst.device)
    axis = part.means[order].cumsum(dim=0) / size[:, None]
    delta = part.diameters[level]
    reach = delta + 2 * worst
    length = torch.linalg.vector_norm(axis, dim=1)
    cosine = torch.where(length > 0, (1 - reach.square() / 2) / length.clamp_min(1e-300), -1.0)
    radius = cosine.clamp(-1, 1).arccos()
    certified = cap_limits(axis, fold.centres, place) > radius + ROUNDING
    # members at an equal worst distance belong to S_eps together
    last = torch.cat([worst[1:] > worst[:-1], worst.new_ones(1, dtype=torch.bool)])
    places = (certified & last).nonzero().flatten()
    if len(places) == 0:
        return 0.0, delta, 0.0
    at = int(places[-1])
    return (judged[order[: at + 1]].double().sum() / judged.sum()).item(), delta, worst[at].item()


def _cap(fold: _Fold) -> _Found:
    right, radii = {}, []
    for place, k in enumerate(fold.known if len(fold.known) > 1 else []):
        axis = fold.centres[place] / torch.linalg.vector_norm(fold.centres[place]).clamp_min(1e-300)
        radius = cap_limits(axis[None], fold.centres, place)[0].item()
        widest = (fold.parts[k].rows @ axis).amin(dim=1).clamp(-1, 1).arccos()
        right[k] = widest < radius - ROUNDING
        radii.append(radius)
    shares = [right[k][fold.judged[k]].double().mean().item() for k in right if bool(fold.judged[k].any())]
    terms = {"smallest_radius": min(radii, default=0.0), "smallest_share": min(shares, default=0.0)}
    return fold.error(right.get), terms, {}


def _errors(fold: _Fold) -> dict[str, float]:
    """Share of judged images with a wrong view, and of views that are wrong; a tie of centres is wrong."""
    any_right, views_right = {}, {}
    for place, k in enumerate(fold.known if len(fold.known) > 1 else []):
        score = fold.parts[k].rows @ fold.centres.T - fold.centres.square().sum(dim=1) / 2
        own = score[:, :, place].clone()
        score[:, :, place] = -math.inf
        right = own > score.amax(dim=2)
        any_right[k], views_right[k] = right.all(dim=1), right.double().mean(dim=1)
    return {"error": fold.error(any_right.get), "error_of_views": fold.error(views_right.get)}
