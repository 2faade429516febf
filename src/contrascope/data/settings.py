"""The settings that say which images to open, and how."""

import re
from dataclasses import dataclass
from typing import Literal

from contrascope.errors import InputError
from contrascope.settings import written_as


@written_as("DataSettings")
@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Which images, which split, which labels, and where they are kept."""

    source: str = "digits"
    """`digits`, `scenes`, `shapes`, a folder, a file (.npy, .npz, .safetensors, .csv, .zip, .tar), an address
    (s3://) or a name on the hub."""
    split: str = "train"
    """The split to open; `all` joins every split of the source."""
    labels: str | None = None
    """Label columns, separated by commas, the first one primary; unset: all found ones; `none`: no labels."""
    layout: Literal["classes", "splits"] | None = None
    """What folders named train, validation or test are: `splits`, or `classes` as others are; unset: seen from all."""
    image_column: str | None = None
    """Column or array that holds the images; unset: found by its type."""
    size: int | None = None
    """Side in px to bring images to: shorter side resized with antialiasing, then the centre cropped."""
    channels: str | None = None
    """Channels to keep, counted from 0, as in 0,1,2, or `all`; unset: gray or RGB (more than four need a word)."""
    bits: int | None = None
    """Bits of whole numbers above 8 bits, 8 to 16; unset: what the file says, else what the set's highest one needs."""
    max_megapixels: int = 100
    """Pictures with more pixels are bad images, refused before they are decoded."""
    on_bad_image: Literal["error", "skip"] = "error"
    """What a broken image does: raise an error that names it, or be left out and listed in `bad_images`."""
    memory_budget_mb: int = 1024
    """Decoded sets up to this many MiB are held in memory; larger ones stream within this budget."""
    workers: int = 2
    """Threads that decode images."""
    seed: int = 0
    """Seed of the drawn sets (`scenes`, `shapes`)."""
    count: int | None = None
    """How many images of a drawn set each split has; unset: the set's own number."""
    background: float = 0.5
    """Background of the drawn sets, from flat (0) to busy (1)."""

    def __post_init__(self) -> None:
        lowest = {"size": 1, "count": 1, "memory_budget_mb": 0, "workers": 1, "seed": 0, "max_megapixels": 1}
        for field, least in lowest.items():
            value = getattr(self, field)
            if value is not None and value < least:
                raise InputError(f"data.{field} is {value}; expected at least {least}. Raise `{field}`.")
        if not 0 <= self.background <= 1:
            raise InputError(f"data.background is {self.background}; expected 0 (flat) to 1 (busy).")
        if self.bits is not None and not 8 <= self.bits <= 16:
            raise InputError(f"data.bits is {self.bits}; expected 8 to 16, the bits of the images' numbers.")
        if self.channels not in (None, "all") and not re.fullmatch(r"\d{1,4}(,\d{1,4})*", self.channels):
            raise InputError(
                f"data.channels is {self.channels!r}; expected numbers from 0 with commas between, as in 0,1,2, or all."
            )
        if self.on_bad_image not in ("error", "skip"):
            raise InputError(f"data.on_bad_image is {self.on_bad_image!r}; expected 'error' or 'skip'.")
        if self.layout not in (None, "classes", "splits"):
            raise InputError(
                f"data.layout is {self.layout!r}; expected 'classes' or 'splits', or leave it out."
            )

    @property
    def budget(self) -> int:
        """The memory budget in bytes."""
        return self.memory_budget_mb * 2**20
