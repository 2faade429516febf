"""What is said of images before work begins, and the list of those that were skipped."""

from pathlib import Path

from contrascope.data.folders.names import counted, shown_name
from contrascope.data.imageset import ImageSet
from contrascope.progress import Say
from contrascope.records.kinds import BadImagesRecord
from contrascope.records.typed import as_record, write_record
from contrascope.training.views import RunItems

NAMED = 20
"""Skipped images that are named where no file lists them."""


def told_of(images: ImageSet, *, listed: Path | None = None) -> list[str]:
    """How the images were read, and which were skipped: in the file `listed`, or by name where there is none.

    >>> from contrascope.data.imageset import BadImage, InMemoryImages
    >>> import torch
    >>> bad = (BadImage("a.png", "is no image"),)
    >>> told_of(InMemoryImages(images=torch.zeros(2, 1, 4, 4, dtype=torch.uint8), bad_images=bad))
    ['1 picture skipped: a.png is no image.']
    """
    lines, bad = list(images.told), images.bad_images
    if not bad:
        return lines
    skipped = f"{counted(len(bad), 'picture')} skipped"
    if listed is not None:
        return [*lines, f"{skipped}, listed in {listed}."]
    named = "; ".join(shown_name(f"{one.name} {one.reason}") for one in bad[:NAMED])
    more = f"; and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
    return [*lines, f"{skipped}: {named}{more}."]


def tell_images(images: ImageSet, say: Say, *, beside: Path | None = None) -> None:
    """Says `told_of`; skipped images are listed in `bad_images.json` of the folder `beside`, or with its name before.

    `beside` is a folder, or a file that is written there: `features.npz` has `features.bad_images.json` beside it.
    """
    listed = None
    if images.bad_images and beside is not None:
        inside = beside.is_dir()
        listed = beside / BadImagesRecord.FILE if inside else beside.with_suffix(f".{BadImagesRecord.FILE}")
        write_bad_images(images, listed)
    for line in told_of(images, listed=listed):
        say(line)


def write_bad_images(images: RunItems, file: Path) -> None:
    """The names of all skipped images, with what is wrong with them."""
    bad = [{"name": image.name, "reason": image.reason} for image in images.bad_images]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_record(file, as_record(BadImagesRecord, {"count": len(bad), "images": bad}))
