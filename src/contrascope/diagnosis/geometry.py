"""The geometry of encoder and projector from their outputs: loss and bound, ranks, negatives, pieces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.diagnosis.folding import affine_layers, beside
from contrascope.diagnosis.settings import GeometrySettings
from contrascope.errors import InputError
from contrascope.features.embed import evaluating
from contrascope.geometry.entropy_form import info_nce_and_negatives
from contrascope.geometry.local import LocalFrame, local_frames, outside
from contrascope.geometry.negatives import (
    Negatives,
    chance_sharing,
    displacements,
    label_sharing,
    negative_distances,
)
from contrascope.geometry.rank import rank_at, ranks_of
from contrascope.geometry.regions import AffineLayer, activation_patterns, distinct_patterns, regions
from contrascope.geometry.tangent import tangent
from contrascope.intervals import Estimate
from contrascope.spectra import exp_entropy
from contrascope.theory.factors.spectrum import covariance_and_gram

BINS = 40
"""Bins of a histogram of distances, from 0 to 2."""


@dataclass(frozen=True, kw_only=True)
class SpectrumRanks:
    """A whole spectrum with three ranks."""

    singular_values: tuple[float, ...]
    """Falling."""
    absolute: int
    """Those of at least the absolute threshold."""
    relative: int
    """Those of at least the relative threshold times the largest."""
    effective: float
    """Exponential of the entropy of their shares."""


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """A distribution over images."""

    mean: float
    low: float
    """5 % lie below."""
    median: float
    high: float
    """5 % lie above."""


@dataclass(frozen=True, kw_only=True)
class BoundTerms:
    """InfoNCE in the paper's decoupled form and its upper bound, on all measured images as one batch."""

    loss: float
    upper_bound: float
    gap: float
    invariance: float
    repulsion: float
    expectation: float
    entropy: float
    log_count: float
    """log(2(N-1))."""


@dataclass(frozen=True, kw_only=True)
class NegativeFacts:
    """The nearest negatives, chosen by the projector and looked at in the encoder."""

    sharing: dict[str, Estimate]
    """Share of images whose nearest negative has their label, for every label column."""
    chance: dict[str, float]
    """The same for a negative at random."""
    distance_unit: Quantiles
    """Distance in the encoder of rows of length 1, 0 to 2."""
    distance_spread: Quantiles
    """Distance in the encoder in units of that of two images."""
    histogram_unit: tuple[int, ...]
    """Images a bin of `distance_unit`, bins of equal width from 0 to 2."""
    histogram_spread: tuple[int, ...]
    """The same of `distance_spread`; distances above 2 are in the last bin."""
    unexplained: float | None
    """Share of the displacements outside a linear projector's column space (eq. 10)."""
    unexplained_chance: float | None
    """The same for a column space, or local row spaces, of this rank at random."""
    unexplained_local: float | None
    """The share outside the row space of the local Jacobian of an MLP."""
    angles: tuple[float, ...]
    """Degrees between column space and leading displacements, rising; empty for an MLP."""


@dataclass(frozen=True, kw_only=True)
class ProjectorFacts:
    """What the projector is as a map."""

    depth: int | None
    """Hidden layers; 0 for a linear one; None where its layers are not linear, batch norm and ReLU."""
    matrix: SpectrumRanks | None
    """Of a linear projector's W."""
    local_relative: Quantiles | None
    """Rank of the local Jacobian over images, relative threshold; None for a linear projector."""
    local_absolute: Quantiles | None
    local_effective: Quantiles | None
    distinct: int | None
    """Different activation patterns of the measured images."""
    dimension: float | None
    """Mean rank of the local maps."""
    crossed: Quantiles | None
    """Pieces met on the line between an image's two views."""
    size: Quantiles | None
    """Length of that line a piece, in units of h."""


@dataclass(frozen=True, kw_only=True)
class FeatureGeometry:
    """Everything that two views and the projector tell; cheap enough for every epoch."""

    images: int
    dim: int
    loss: BoundTerms
    clean: SpectrumRanks | None
    """Encoder outputs of clean images (the paper's Figure 4), uncentred; None where none were given."""
    augmented: SpectrumRanks
    """Encoder outputs of first views (Figure 9), uncentred."""
    negatives: NegativeFacts
    projector: ProjectorFacts | None
    """None where there is no projector: the encoder's own outputs choose the negatives then."""


def feature_geometry(
    h: Float[Tensor, "views n dim"],
    z: Float[Tensor, "views n out"] | None,
    *,
    projector: nn.Module | None = None,
    clean: Float[Tensor, "n dim"] | None = None,
    labels: Mapping[str, Int[Tensor, " n"]] | None = None,
    settings: GeometrySettings | None = None,
) -> FeatureGeometry:
    """The geometry of two views' encoder and projector outputs (Cosentino et al. 2022, arXiv:2205.06926).

    >>> h = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(0))
    >>> feature_geometry(h, None, settings=GeometrySettings(draws=0)).augmented.relative
    4
    """
    chosen = settings or GeometrySettings()
    if len(h) < 2 or h.shape[1] < 2:
        raise InputError(
            f"h has {len(h)} views of {h.shape[1]} images; the geometry needs 2 views of 2 images or more."
        )
    h, out = h[:2].detach(), (h if z is None else z)[:2].detach()
    parts, negatives = info_nce_and_negatives(out, beta=chosen.beta)
    layers = affine_layers(projector)
    frames = frames_at(h[0, : chosen.points], projector, layers)
    return FeatureGeometry(
        images=h.shape[1],
        dim=h.shape[2],
        loss=BoundTerms(
            **{
                name: getattr(parts, name).item()
                for name in (
                    "loss",
                    "upper_bound",
                    "gap",
                    "invariance",
                    "repulsion",
                    "expectation",
                    "entropy",
                )
            },
            log_count=parts.log_count,
        ),
        clean=None if clean is None else feature_spectrum(clean, chosen),
        augmented=feature_spectrum(h[0], chosen),
        negatives=_negatives(h, negatives, layers, frames, labels or {}, chosen),
        projector=None if projector is None else _projector(h, layers, frames, chosen),
    )


def feature_spectrum(rows: Float[Tensor, "n dim"], settings: GeometrySettings) -> SpectrumRanks:
    """Spectrum and ranks of uncentred features, in one pass.

    >>> feature_spectrum(torch.eye(3), GeometrySettings()).relative
    3
    """
    return _spectrum(covariance_and_gram(rows).raw_singular_values(), settings)


def _spectrum(values: Tensor, settings: GeometrySettings) -> SpectrumRanks:
    return SpectrumRanks(
        singular_values=tuple(float(f"{value:.6g}") for value in values.tolist()),
        absolute=int(rank_at(values, threshold=settings.absolute, relative=False)),
        relative=int(rank_at(values, threshold=settings.relative, relative=True)),
        effective=exp_entropy(values),
    )


def quantiles(values: Tensor) -> Quantiles:
    """Mean, median, and the ends between which nine tenths lie.

    >>> quantiles(torch.arange(101.0))
    Quantiles(mean=50.0, low=5.0, median=50.0, high=95.0)
    """
    exact = values.double().cpu()
    low, middle, high = torch.quantile(exact, torch.tensor([0.05, 0.5, 0.95], dtype=exact.dtype)).tolist()
    return Quantiles(mean=exact.mean().item(), low=low, median=middle, high=high)


def _negatives(
    h: Tensor,
    negatives: Negatives,
    layers: tuple[AffineLayer, ...] | None,
    frames: Sequence[LocalFrame],
    labels: Mapping[str, Tensor],
    settings: GeometrySettings,
) -> NegativeFacts:
    shift = displacements(h, negatives)
    unit, spread = (negative_distances(h, negatives, scale=scale) for scale in ("unit", "spread"))
    held = None
    if layers is not None and len(layers) == 1:
        held = tangent(layers[0].weight.T.to(shift.device), shift, directions=settings.directions)
    spaces = [frame.space for frame in frames]
    local = outside(spaces, shift[: len(spaces)].cpu()) if spaces else None
    return NegativeFacts(
        sharing={name: label_sharing(negatives, y, draws=settings.draws) for name, y in labels.items()},
        chance={name: chance_sharing(y) for name, y in labels.items()},
        distance_unit=quantiles(unit),
        distance_spread=quantiles(spread),
        histogram_unit=_histogram(unit),
        histogram_spread=_histogram(spread),
        unexplained=None if held is None else held.unexplained,
        unexplained_chance=next((found.chance for found in (held, local) if found), None),
        unexplained_local=None if local is None else local.unexplained,
        angles=() if held is None else tuple(held.angles.rad2deg().tolist()),
    )


def _histogram(values: Tensor) -> tuple[int, ...]:
    return tuple(int(count) for count in torch.histc(values.double().cpu().clamp(max=2), BINS, 0, 2).tolist())


def frames_at(
    points: Float[Tensor, "n dim"], projector: nn.Module | None, layers: tuple[AffineLayer, ...] | None
) -> tuple[LocalFrame, ...]:
    """The local Jacobians of a projector that is not linear, by its `affine_layers` where it is an MLP; on the CPU.

    >>> frames_at(torch.ones(2, 3), None, None)
    ()
    """
    if projector is None or (layers is not None and len(layers) == 1):
        return ()
    if layers is not None:
        return tuple(local_frames(layers, points.cpu().double()))
    with evaluating(projector):
        found = tuple(local_frames(projector, beside(points, projector)))
    return tuple(LocalFrame(values=one.values.cpu(), space=one.space.cpu()) for one in found)


def _projector(
    h: Tensor,
    layers: tuple[AffineLayer, ...] | None,
    frames: Sequence[LocalFrame],
    settings: GeometrySettings,
) -> ProjectorFacts:
    linear = layers is not None and len(layers) == 1
    local = found = distinct = None
    if frames:
        values = torch.stack([frame.values for frame in frames])
        local = ranks_of(values, absolute=settings.absolute, relative=settings.relative)
    if layers is not None and not linear:
        first, second = h[:, : settings.paths].double().cpu()
        known = [frame.values for frame in frames[: len(first)]] if len(frames) >= len(first) else []
        found = regions(layers, first, second, relative=settings.relative, spectra=known)
        distinct = distinct_patterns(activation_patterns(layers, h[0].double().cpu()))
    return ProjectorFacts(
        depth=None if layers is None else len(layers) - 1,
        matrix=_spectrum(torch.linalg.svdvals(layers[0].weight), settings) if linear and layers else None,
        local_relative=None if local is None else quantiles(local.relative),
        local_absolute=None if local is None else quantiles(local.absolute),
        local_effective=None if local is None else quantiles(local.effective),
        distinct=1 if linear else distinct,
        dimension=None if found is None else found.dimension,
        crossed=None if found is None else quantiles(found.crossed),
        size=None if found is None else quantiles(found.size),
    )
