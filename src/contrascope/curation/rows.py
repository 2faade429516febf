"""Images as named rows of an encoder: where every look into a folder begins."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.data.imageset import ImageSet
from contrascope.data.load import load_images
from contrascope.data.memory import images_from
from contrascope.data.settings import DataSettings
from contrascope.data.source import FileSource
from contrascope.errors import InputError
from contrascope.features.embed import embed
from contrascope.progress import Progress, silent
from contrascope.subjects.encoder import TRAINED, networks_for_any_images
from contrascope.subjects.open import open_subject
from contrascope.subjects.subject import Subject
from contrascope.theory.factors.divergence import mean_view


@dataclass(frozen=True, kw_only=True)
class NamedRows:
    """Encoder outputs of clean images, or rows that were embedded elsewhere, with their names."""

    about: str
    """The set of images, or the file of rows."""
    names: tuple[str, ...]
    """The file of every image below the set's folder, or its number."""
    h: Float[Tensor, "n dim"]
    """Encoder outputs, float32 on the CPU; of several views their mean."""
    images: ImageSet | None = None
    """The images themselves; None for rows of a file."""

    def __len__(self) -> int:
        return len(self.h)

    def part(self, ids: Int[Tensor, " kept"]) -> "NamedRows":
        """These rows, in this order."""
        return NamedRows(
            about=self.about,
            names=tuple(self.names[at] for at in ids.tolist()),
            h=self.h[ids],
            images=None if self.images is None else self.images.select(ids),
        )


def rows_of(
    subject: Subject,
    images: ImageSet | None = None,
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> NamedRows:
    """The rows of a subject's images, or of other images by its encoder; gray and colour are turned into each other."""
    if subject.h is not None:
        return NamedRows(about=subject.name, names=subject.names, h=mean_view(subject.features().h))
    given = subject.images if images is None else images
    encoder = encoder_of(subject, device)
    found = embed(encoder, None, given, device=subject.device(device), progress=progress)
    return NamedRows(about=given.name, names=given.names(), h=found.h[0], images=given)


def encoder_of(subject: Subject, device: torch.device | str | None) -> nn.Module:
    """The frozen encoder, for gray and colour images alike."""
    return networks_for_any_images(subject, references=False, device=device)[TRAINED]


def other_rows(
    subject: Subject,
    other: Any,
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> NamedRows:
    """Rows of a second set: other images by the same encoder, at the side of its own; of arrays a second array."""
    if subject.h is not None:
        rows = rows_of(open_subject(other))
        if rows.h.shape[1] != subject.h.shape[2]:
            raise InputError(
                f"{rows.about} has {rows.h.shape[1]} columns and {subject.name} has {subject.h.shape[2]}; expected "
                "rows of the same encoder."
            )
        return rows
    return rows_of(subject, opened(subject, other), device=device, progress=progress)


def opened(subject: Subject, other: Any) -> ImageSet:
    """Other images for a subject's encoder, brought to the side of its own where these are square."""
    if isinstance(other, str | Path):
        other = DataSettings(source=str(other))
    if isinstance(other, DataSettings):
        other = replace(other, size=other.size or side_of(subject))
    return images_from(other)


def other_split(subject: Subject, split: str) -> DataSettings:
    """Another split of a subject's images."""
    if not isinstance(subject.source, DataSettings):
        raise InputError(f"{subject.name} has no splits; name other images instead.")
    return replace(subject.source, split=split)


def one_picture(subject: Subject, file: Path) -> ImageSet:
    """A picture file, read as the subject's images are; a broken one ends in one sentence with its name."""
    settings = DataSettings(source=str(file.parent), size=side_of(subject))
    images = load_images(FileSource(file.parent, (file,)), labels={}, class_names={}, settings=settings)
    shape = subject.origin.shape
    if shape is not None and images.shape[1:] != shape[1:]:
        raise InputError(
            f"{file} has {images.shape[1]} x {images.shape[2]} px and the encoder's images {shape[1]} x {shape[2]}; "
            "expected equal sides. Resize it."
        )
    return images


def side_of(subject: Subject) -> int | None:
    """Side of square images that the encoder took; None where they are of another form, or nobody knows it."""
    shape = subject.origin.shape
    return shape[1] if shape is not None and shape[1] == shape[2] else None
