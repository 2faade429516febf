"""What a recipe may look at to fit itself to someone's images."""

from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from contrascope.data.convert import encoded_shape
from contrascope.data.folders.tree import read_tree
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.pictures.reading import BadPixelsError, Reading
from contrascope.data.pictures.regular import read_regular
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.machine.arithmetic import multiplies_bf16
from contrascope.machine.device import default_device
from contrascope.runs.settings import ImageFacts

LOOK_AT = 200
LARGEST = Reading(max_pixels=2**62, channels="0")
"""Sides alone are looked at: no picture is too large for that, and none has too many channels."""


def look(data: DataSettings, device: torch.device | None = None) -> ImageFacts:
    """Open the data once, without training: the facts that recipes adapt to."""
    side = typical_side(Path(data.source).expanduser())
    opened = open_images(data if data.size or side is None else replace(data, size=side))
    return facts_of(opened, side=side, device=device)


def facts_of(images: ImageSet, *, side: int | None = None, device: torch.device | None = None) -> ImageFacts:
    """The facts of opened images; `side`, if it is not theirs, is that of the pictures they come from.

    `device` is where they are to be trained on; None: a GPU if there is one.
    """
    kind = (device or default_device()).type
    return ImageFacts(
        count=len(images),
        channels=images.shape[0],
        side=side or min(images.shape[1:]),
        device=kind,
        bf16=multiplies_bf16(kind),
    )


def typical_side(folder: Path) -> int | None:
    """Median shorter side of up to 200 pictures below a folder, evenly spaced; None if there are none."""
    if not folder.is_dir():
        return None
    files = [folder / name for name in read_tree(folder).pictures]
    sides = []
    for path in files[:: max(1, len(files) // LOOK_AT)]:
        try:
            sides.append(min(encoded_shape(read_regular(path), LARGEST)[1:]))
        except BadPixelsError:
            continue
    if files and not sides:
        raise InputError(f"none of the pictures looked at in {folder} can be read; is it a folder of images?")
    return int(median(sides)) if sides else None
