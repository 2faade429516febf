"""gallery.json: what a page shows of the images, of a run and of an advice."""

from dataclasses import dataclass
from typing import Any, ClassVar

from contrascope.records.entry import Count, Entry, Record, Tree, without_kinds

Column = tuple[int | float | None, ...]
"""One value a point of the map."""
Share = tuple[float | None, ...]
"""One value a point of a grid."""


@dataclass(frozen=True, kw_only=True)
class SheetEntry(Entry):
    """A picture of many thumbnails."""

    side: Count | None
    """Side of a thumbnail in px."""
    columns: Count | None
    """Thumbnails in a row."""
    first: Count | None
    """Number of its first thumbnail."""
    count: Count | None
    """Its thumbnails."""
    format: str
    """webp, png or jpeg."""
    data: str
    """The file in base64."""


@dataclass(frozen=True, kw_only=True)
class ViewEntry(Entry):
    """One view."""

    tile: Count | None
    """Number of its thumbnail."""
    parameters: tuple[str, ...]
    """What made it."""


@dataclass(frozen=True, kw_only=True)
class NearEntry(Entry):
    """A neighbour."""

    tile: Count | None
    """Number of its thumbnail."""
    name: str
    """The image."""
    label: int | None
    """Its class."""
    cosine: float | None
    """Cosine of encoder outputs."""


@dataclass(frozen=True, kw_only=True)
class ImageEntry(Entry):
    """An image with its views, or with its neighbours."""

    tile: Count | None
    """Number of its thumbnail."""
    name: str
    """The image."""
    label: int | None
    """Its class."""
    views: tuple[ViewEntry, ...] = ()
    """Its views."""
    alignment: float | None = None
    """Mean squared distance of its views."""
    confusing: bool | None = None
    """Whether it was chosen because a neighbour has another class."""
    near: tuple[NearEntry, ...] = ()
    """Its neighbours."""


@dataclass(frozen=True, kw_only=True)
class BandEntry(Entry):
    """A curve with its interval."""

    share: Share
    """Values."""
    low: Share
    """Lower ends."""
    high: Share
    """Upper ends."""

    def unequal(self) -> tuple[str, ...]:
        return tuple(name for name in ("low", "high") if len(getattr(self, name)) != len(self.share))


@dataclass(frozen=True, kw_only=True)
class RobustCurvesEntry(Entry):
    """R_eps of every layer."""

    epsilons: Share
    """The grid."""
    layers: dict[str, BandEntry]
    """Layer to its curve."""

    def unequal(self) -> tuple[str, ...]:
        off = any(len(one.share) != len(self.epsilons) for one in self.layers.values())
        return ("layers",) if off else ()


@dataclass(frozen=True, kw_only=True)
class ClassCurvesEntry(Entry):
    """sigma(delta) of one layer."""

    mean: Share
    """Mean over classes."""
    smallest: Share
    """Of the smallest class."""


@dataclass(frozen=True, kw_only=True)
class SigmaCurvesEntry(Entry):
    """sigma(delta) of the encoder beside the random one."""

    deltas: Share
    """The grid."""
    images_per_class: Count | None
    """Images of a class."""
    layers: dict[str, ClassCurvesEntry]
    """Layer to its curves."""

    def unequal(self) -> tuple[str, ...]:
        known = [curve for one in self.layers.values() for curve in (one.mean, one.smallest)]
        return ("layers",) if any(len(curve) != len(self.deltas) for curve in known) else ()


@dataclass(frozen=True, kw_only=True)
class PlaceEntry(Entry):
    """Places of the points."""

    x: Column
    """Across."""
    y: Column
    """Up."""
    explained: Share = ()
    """Share of the variance along each axis, of PCA."""

    def unequal(self) -> tuple[str, ...]:
        return ("x", "y") if len(self.x) != len(self.y) else ()


@dataclass(frozen=True, kw_only=True)
class MapEntry(Entry):
    """The map of embeddings, a column a fact."""

    pca: PlaceEntry | None
    """Two main directions."""
    pseudo_rule: str
    """What made the pseudo-classes."""
    splits: tuple[str, ...]
    """Names of the splits."""
    umap: PlaceEntry | None = None
    """UMAP, where it is installed."""
    label: Column | None = None
    """Class of every point."""
    pseudo: Column | None = None
    """Its pseudo-class."""
    split: Column | None = None
    """Its split."""
    alignment: Column | None = None
    """Its alignment."""
    tile: Column | None = None
    """Its thumbnail."""
    id: Column | None = None
    """Its id in the split."""
    names: tuple[str, ...] | None = None
    """Its file."""

    def unequal(self) -> tuple[str, ...]:
        if self.pca is None:
            return ()
        count, columns = len(self.pca.x), ("label", "pseudo", "split", "alignment", "tile", "id", "names")
        off = [name for name in columns if (held := getattr(self, name)) is not None and len(held) != count]
        return (*off, "umap") if self.umap is not None and len(self.umap.x) != count else tuple(off)


@dataclass(frozen=True, kw_only=True)
class GalleryRecord(Record):
    """Pictures, map and curves of a run."""

    KIND: ClassVar[str] = "gallery"
    FILE: ClassVar[str] = "gallery.json"
    step: Count | None
    """Checkpoint that was measured."""
    data: str
    """The images."""
    policy: str
    """The policy of the views."""
    classes: tuple[str, ...]
    """Names of the classes."""
    views: tuple[ImageEntry, ...]
    """Images with many views."""
    worst: tuple[ImageEntry, ...]
    """Images whose views fall apart."""
    best: tuple[ImageEntry, ...]
    """Images whose views stay together."""
    neighbours: tuple[ImageEntry, ...]
    """Images with their neighbours."""
    spectra: dict[str, Share]
    """Layer to eigenvalues of its covariance."""
    r_epsilon: RobustCurvesEntry | None
    """Whose views fall apart."""
    map: MapEntry | None
    """The map."""
    sheets: tuple[SheetEntry, ...]
    """Sheets of thumbnails."""
    concentration: SigmaCurvesEntry | None = None
    """With labels."""

    @classmethod
    def upgraded(cls, tree: Tree) -> Tree:
        """In format 0 the layers stood beside the grid."""
        curves = {
            name: _layered(tree.get(name), grid)
            for name, grid in (
                ("r_epsilon", ("epsilons",)),
                ("concentration", ("deltas", "images_per_class")),
            )
            if name in tree
        }
        return {**without_kinds(tree), **curves}


@dataclass(frozen=True, kw_only=True)
class PolicyViewsEntry(Entry):
    """The views that one policy makes."""

    name: str
    """The policy."""
    operations: str
    """Its operations in words."""
    rows: tuple[tuple[Count, ...], ...]
    """Thumbnails of the views, a row an image."""


@dataclass(frozen=True, kw_only=True)
class PolicyGalleryRecord(Record):
    """Views that the best policies of an advice make."""

    KIND: ClassVar[str] = "policy_gallery"
    FILE: ClassVar[str] = "gallery.json"
    images: tuple[Count, ...]
    """Thumbnails of the images."""
    policies: tuple[PolicyViewsEntry, ...]
    """Best first."""
    sheets: tuple[SheetEntry, ...]
    """Sheets of thumbnails."""
    names: tuple[str, ...] = ()
    """The file of each image; empty where the images have none."""


def _layered(curves: Any, grid: tuple[str, ...]) -> Any:
    if not isinstance(curves, dict):
        return curves
    layers = {key: value for key, value in curves.items() if key not in grid}
    return {**{key: curves[key] for key in grid if key in curves}, "layers": layers}
