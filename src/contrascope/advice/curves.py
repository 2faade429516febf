"""How near a policy brings images of one class: concentration curves on few images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.advice.descriptors import describe
from contrascope.advice.policies import Candidate
from contrascope.augment.policy import Policy, to_float
from contrascope.augment.views import make_views
from contrascope.draws import PROBE_EPOCH
from contrascope.errors import InputError
from contrascope.intervals import Estimate, generator, mean_estimate
from contrascope.theory.concentration.augmented_distance import augmented_distance, normalised_pixels
from contrascope.theory.concentration.concentration import Concentration, concentration, delta_grid
from contrascope.theory.factors.pseudo import pseudo_classes
from contrascope.types import ByteImages

GRID = 9
"""Deltas of a curve."""
SECONDS = 0.0
"""Time to look for larger cliques than the greedy ones: none, so that the same call gives the same numbers."""
LEAST_IMAGES = 4


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One policy: sigma over the common deltas, and the neighbours that its views leave an image."""

    name: str
    """The policy."""
    raw: tuple[float, ...]
    """Mean over classes of sigma at each raw delta, from below: by greedy cliques, rarely smaller than the largest."""
    normalised: tuple[float, ...]
    """The same with brightness and contrast of every view taken out, at each normalised delta; empty in sweeps."""
    sigma: Estimate
    """Mean of `raw` over its deltas, in (0, 1]; the interval is over classes."""


@dataclass(frozen=True, kw_only=True)
class CurveGrid:
    """What all curves of one call share."""

    images: int
    """Images measured."""
    classes: int
    """Classes among them."""
    classes_from: str
    """`labels`, or the rule that made pseudo-classes."""
    views: int
    """Views of an image, itself among them."""
    raw: tuple[float, ...]
    """Deltas of raw pixels in [0, 1]: quantiles 5 to 80 % of d_A within a class under the poorest policy."""
    normalised: tuple[float, ...]
    """The same for normalised views."""


def few_per_class(y: Int[Tensor, " n"], *, per_class: int, classes: int, seed: int) -> Int[Tensor, " few"]:
    """Rising indices of at most `per_class` images of each of at most `classes` classes, drawn by the seed.

    >>> y = torch.tensor([0, 0, 0, 1, 1, 1])
    >>> y[few_per_class(y, per_class=2, classes=5, seed=0)].tolist()
    [0, 0, 1, 1]
    """
    order = torch.randperm(len(y), generator=generator(seed, "few"))
    labels = torch.unique(y[y >= 0])
    labels = labels[torch.randperm(len(labels), generator=generator(seed, "classes"))[:classes]]
    chosen = [order[y[order] == label][:per_class] for label in labels]
    return torch.cat(chosen).sort().values if chosen else order[:0]


def policy_views(
    images: ByteImages, policy: Policy, *, views: int, seed: int
) -> Float[Tensor, "views batch dim"]:
    """Flattened views of every image, the image itself the first; draws depend on the seed and the policy's order."""
    made, _ = make_views(
        images,
        policy,
        ids=torch.arange(len(images)),
        seed=seed,
        epoch=PROBE_EPOCH + 1,
        num_views=views - 1,
    )
    return torch.cat((to_float(images)[None], made)).flatten(2)


class Curves:
    """Measures policies on the same few images over the same deltas."""

    def __init__(
        self,
        images: ByteImages,
        y: Int[Tensor, " batch"] | None,
        poorest: Policy,
        *,
        views: int,
        draws: int,
        seed: int,
    ) -> None:
        if len(images) < LEAST_IMAGES:
            raise InputError(
                f"concentration of {len(images)} images; expected at least {LEAST_IMAGES}. Give more images."
            )
        self._images, self._views, self._draws, self._seed = images, views, draws, seed
        self.classes_from = "labels"
        if y is None:
            found = pseudo_classes(describe(to_float(images))["shape"], seed=seed)
            y, self.classes_from = found.labels, found.rule
        self._y = y
        first = policy_views(images, poorest, views=views, seed=seed)
        self._deltas = tuple(
            delta_grid(augmented_distance(part), y, size=GRID) for part in (first, normalised_pixels(first))
        )

    @property
    def grid(self) -> CurveGrid:
        """Images, views and deltas, for the record."""
        raw, normalised = (tuple(part.double().tolist()) for part in self._deltas)
        return CurveGrid(
            images=len(self._images),
            classes=len(self._y.unique()),
            classes_from=self.classes_from,
            views=self._views,
            raw=raw,
            normalised=normalised,
        )

    def measure(self, candidate: Candidate, *, normalised: bool = True) -> Curve:
        """The curves of one policy; without `normalised` the raw one alone."""
        views = policy_views(self._images, candidate.policy, views=self._views, seed=self._seed)
        raw = self._sigma(augmented_distance(views), self._deltas[0])
        light = (
            self._sigma(augmented_distance(normalised_pixels(views)), self._deltas[1]) if normalised else None
        )
        return Curve(
            name=candidate.name,
            raw=tuple(raw.mean_low.tolist()),
            normalised=() if light is None else tuple(light.mean_low.tolist()),
            sigma=mean_estimate(raw.lower.mean(dim=1), draws=self._draws, key="sigma"),
        )

    def _sigma(self, between: Tensor, deltas: Tensor) -> Concentration:
        return concentration(between, self._y, deltas, seconds=SECONDS, seed=self._seed)


def best_first(candidates: Sequence[Candidate], curves: Sequence[Curve]) -> list[Candidate]:
    """Candidates by falling sigma; the first, the usual policy, stays in front as the one to beat."""
    rest = sorted(
        zip(candidates[1:], curves[1:], strict=True),
        key=lambda pair: -pair[1].sigma.value,
    )
    return [*candidates[:1], *(candidate for candidate, _ in rest)]
