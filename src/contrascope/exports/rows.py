"""The rows of a table of images: names of its columns, and their values batch by batch."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from contrascope.data.imageset import ImageSet
from contrascope.errors import InputError
from contrascope.exports.measure import ImageTable
from contrascope.features.table import class_name, free_name
from contrascope.progress import Progress, silent

OWN = (
    "id",
    "name",
    "split",
    "image",
    "x",
    "y",
    "alignment",
    "neighbours",
    "neighbour_ids",
    "neighbour_distances",
    "h",
)
"""Names of columns that no label column may take."""
MOST_CHANNELS = 4
"""Channels that a PNG can hold."""


@dataclass(frozen=True, kw_only=True)
class LabelColumn:
    """One label column of the images and what the table calls it."""

    source: str
    """Name in the set of images."""
    name: str
    """Name in the table."""
    text: str | None
    """Name of the column with class names; None where the classes have none."""
    classes: tuple[str, ...]
    """Class names by code."""


def label_columns(images: ImageSet) -> list[LabelColumn]:
    """The label columns; one that is named like another column of the table gets `label_` before its name.

    >>> from contrascope.data.imageset import InMemoryImages
    >>> images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    >>> y = torch.tensor([0, 1])
    >>> [column.name for column in label_columns(InMemoryImages(images=images, labels={"x": y, "kind": y}))]
    ['label_x', 'kind']
    """
    taken: set[str] = set(OWN)
    found = []
    for source in images.labels:
        classes = tuple(images.class_names.get(source, ()))
        name = free_name(source, taken)
        text = free_name(f"{name}_name", taken) if classes else None
        found.append(LabelColumn(source=source, name=name, text=text, classes=classes))
    return found


def png(pixels: UInt8[Tensor, "channel height width"]) -> bytes:
    r"""The image as PNG, without loss: grey, grey with alpha, colour, or colour with alpha.

    >>> png(torch.zeros(1, 4, 4, dtype=torch.uint8))[:4]
    b'\x89PNG'
    """
    if not 1 <= len(pixels) <= MOST_CHANNELS:
        raise InputError(
            f"images with {len(pixels)} channels have no PNG; expected 1 to 4. Export csv, which has no images."
        )
    file = io.BytesIO()
    values = pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)
    Image.fromarray(values.contiguous().numpy()).save(file, "PNG")
    return file.getvalue()


def row_batches(
    table: ImageTable, rows: int, *, pixels: bool, progress: Progress = silent
) -> Iterator[dict[str, list[Any]]]:
    """Columns of `rows` images at a time, in order; with `pixels` also the image as PNG and h."""
    if rows < 1:
        raise InputError(f"rows of a batch are {rows}; expected at least 1.")
    count, columns = len(table.images), label_columns(table.images)
    for start in range(0, count, rows):
        ids = torch.arange(start, min(start + rows, count))
        held = _plain(table, ids, columns)
        if pixels:
            held["image"] = [
                {"bytes": png(image), "path": f"{start + place}.png"}
                for place, image in enumerate(table.images.gather(ids).cpu())
            ]
            held["h"] = list(table.measured.h[ids].numpy())
        progress(start + len(ids), count)
        yield held


def _plain(table: ImageTable, ids: Tensor, columns: list[LabelColumn]) -> dict[str, list[Any]]:
    held: dict[str, list[Any]] = {"id": ids.tolist(), "name": list(table.images.names(ids))}
    held["split"] = [table.split] * len(ids)
    held["x"], held["y"] = table.place[ids, 0].tolist(), table.place[ids, 1].tolist()
    held["alignment"] = table.measured.alignment[ids].tolist()
    for column in columns:
        codes = table.images.labels[column.source].cpu()[ids].tolist()
        held[column.name] = codes
        if column.text is not None:
            held[column.text] = [class_name(code, column.classes) for code in codes]
    distances = (1 - table.near.value[ids].double()).clamp_min(0).tolist()
    held["neighbours"] = [
        {"ids": near, "distances": far}
        for near, far in zip(table.near.index[ids].tolist(), distances, strict=True)
    ]
    return held
