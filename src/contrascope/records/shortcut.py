"""What an encoder confuses that may rest on a shortcut, in pictures; a part of diagnosis.json."""

from dataclasses import dataclass

from contrascope.records.entry import Count, Entry
from contrascope.records.gallery import SheetEntry

COLOURS = "colours without form"
"""The shortcut of an encoder that knows an image by its colours, wherever they stand."""
STATISTICS = "brightness, contrast or sharpness"
"""The shortcut of an encoder that knows an image by trivial statistics."""


@dataclass(frozen=True, kw_only=True)
class LookEntry(Entry):
    """Trivial statistics of one picture, of pixels in [0, 1]."""

    mean: tuple[float | None, ...]
    """Mean of each channel."""
    contrast: tuple[float | None, ...]
    """Standard deviation of each channel."""
    sharpness: float | None
    """Mean absolute difference of neighbouring pixels."""


@dataclass(frozen=True, kw_only=True)
class ComparedViewEntry(Entry):
    """One picture of a row."""

    tile: Count | None
    """Number of its thumbnail."""
    name: str
    """The image that it shows."""
    cosine: float | None
    """With the first picture of its row, in the encoder; null for that picture itself."""
    look: LookEntry | None = None
    """Its trivial statistics, where they are what is confused."""


@dataclass(frozen=True, kw_only=True)
class ConfusedViewsEntry(Entry):
    """A view, what lies near it in the encoder, and the view that should."""

    view: ComparedViewEntry | None
    """First view of an image."""
    decoy: ComparedViewEntry | None
    """Its pixels in random order, or the nearest view of another image."""
    other: ComparedViewEntry | None
    """Second view of the same image."""


@dataclass(frozen=True, kw_only=True)
class ShortcutEntry(Entry):
    """The pictures, of the very views that decided."""

    reason: str
    """Which shortcut, as the answer names it."""
    nearer: Count | None
    """Images whose view lies at least as near to such a decoy as to the other view."""
    images: Count | None
    """Images that were looked at."""
    rows: tuple[ConfusedViewsEntry, ...]
    """The clearest ones first."""
    sheets: tuple[SheetEntry, ...]
    """Sheets of thumbnails."""
