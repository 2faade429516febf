"""geometry.json: encoder against projector, operation by operation, trained beside random."""

from dataclasses import dataclass
from typing import ClassVar

from contrascope.records.entry import Count, Entry, Record, Tree


@dataclass(frozen=True, kw_only=True)
class CellEntry(Entry):
    """One operation in one layer."""

    variance_share: float | None
    """Share of the layer's variance along the operation's directions."""
    most_share: float | None
    """The most that so many directions could hold."""
    moved: float | None
    """How far an image moves; 1: as far as another image."""
    directions: Count | None
    """Directions that were taken."""
    carried: float | None
    """Share of the displacements that they hold."""


@dataclass(frozen=True, kw_only=True)
class GeneratorEntry(Entry):
    """One matrix that stands for an operation."""

    explained: float | None
    """Share of displacements on held-out images that it explains."""
    explained_fitted: float | None
    """The same on the images that it was fitted to."""
    rank: Count | None
    """Its rank."""
    seen: float | None
    """How much of it a linear projector sees."""
    seen_chance: float | None
    """The same by chance."""
    raw: float | None
    """How much of it a projector sees, not over its own size."""


@dataclass(frozen=True, kw_only=True)
class DerivativeEntry(Entry):
    """The exact direction of an operation at strength 0."""

    cosine: float | None
    """Mean cosine with the displacement."""
    removed: float | None
    """Share of it that the projector does not see."""
    variance_share: float | None = None
    """Share of the encoder's variance along it; nobody reads it."""


@dataclass(frozen=True, kw_only=True)
class OperationEntry(Entry):
    """One operation."""

    name: str
    """As the catalogue calls it."""
    unit: str
    """Unit of its strength."""
    strength: Tree | None
    """Quantiles of the strengths that were drawn; nobody reads them."""
    layers: dict[str, CellEntry]
    """Encoder `h` and, where there is one, projector `z`."""
    removed: float | None
    """Share of its displacements that the projector does not see."""
    removed_chance: float | None
    """The same for random directions."""
    angles: tuple[float | None, ...]
    """Angles in degrees to the rows of a linear projector."""
    generator: GeneratorEntry | None
    """Null where none was fitted."""
    derivative: DerivativeEntry | None
    """Null where there is no exact direction."""


@dataclass(frozen=True, kw_only=True)
class SpectrumEntry(Entry):
    """Singular values and ranks."""

    singular_values: tuple[float | None, ...]
    """Largest first."""
    absolute: Count | None
    """Rank under the absolute threshold."""
    relative: Count | None
    """Rank under the relative threshold."""
    effective: float | None
    """Effective rank."""


@dataclass(frozen=True, kw_only=True)
class NegativesEntry(Entry):
    """The negative that the projector finds nearest; more under the paths of `vocabulary.GEOMETRY`."""

    sharing: Tree
    """Label column to the share of images whose nearest negative has their label."""
    chance: dict[str, float | None]
    """The same by chance."""
    histogram_spread: tuple[float | None, ...]
    """Counts of distances in the encoder, bins from 0 to 2."""


@dataclass(frozen=True, kw_only=True)
class FeaturesEntry(Entry):
    """Numbers of one network's features, under the paths of `vocabulary.GEOMETRY`."""

    images: Count | None
    """Images measured."""
    dim: Count | None
    """Width of the encoder."""
    loss: Tree | None
    """InfoNCE, its bound and its terms."""
    clean: SpectrumEntry | None
    """Of clean images."""
    augmented: SpectrumEntry | None
    """Of views."""
    negatives: NegativesEntry | None
    """Nearest negatives."""
    projector: Tree | None
    """Its matrix, or its local Jacobian; null without a projector."""


@dataclass(frozen=True, kw_only=True)
class NetworkEntry(Entry):
    """Trained networks, or random ones of the same shape."""

    features: FeaturesEntry | None
    """Numbers of the features."""
    operations: tuple[OperationEntry, ...]
    """Numbers of each operation."""


@dataclass(frozen=True, kw_only=True)
class GeometryRecord(Record):
    """The geometry of trained networks beside that of random ones."""

    KIND: ClassVar[str] = "geometry"
    FILE: ClassVar[str] = "geometry.json"
    thing: str
    """The run or encoder."""
    data: str
    """Images and policy."""
    settings: Tree
    """How it was measured."""
    trained: NetworkEntry | None
    """The networks."""
    reference: NetworkEntry | None
    """Random ones."""
