"""Decides where a source's images live: decoded in memory, or streamed."""

from collections.abc import Mapping
from math import prod

import numpy as np
import torch
from torch import Tensor

from contrascope.data.imageset import BadImage, ImageSet, InMemoryImages, RowNames, content_hash, take
from contrascope.data.pictures.reading import BadPixelsError, Reading
from contrascope.data.ranges import mark, reading_of
from contrascope.data.settings import DataSettings
from contrascope.data.source import AbstractSource, fingerprint
from contrascope.data.stream import StreamedImages, bad_image_error, decode_as, mixed_sizes_error
from contrascope.data.threads import bounded_map
from contrascope.errors import InputError

CHUNK = 256
"""Images that one task of a worker decodes."""

Shape = tuple[int, int, int]


def load_images(
    source: AbstractSource,
    *,
    labels: Mapping[str, Tensor],
    class_names: Mapping[str, tuple[str, ...]],
    settings: DataSettings,
) -> ImageSet:
    """The set in memory if its decoded pixels fit `memory_budget_mb`, else streamed: the same pixels.

    With `on_bad_image="skip"` every image is decoded once here, so that length and `bad_images` are final.
    """
    for column, values in labels.items():
        if len(values) != len(source):
            raise InputError(
                f"label column {column!r} of {source.name} has {len(values)} entries for {len(source)} "
                "images; expected one label per image. Cut or complete the labels."
            )
    reading, words = reading_of(source, settings)
    shape = _first_shape(source, settings, reading)
    fits = len(source) * prod(shape) <= settings.budget
    pixels = torch.empty((len(source), *shape), dtype=torch.uint8) if fits else None
    if fits or settings.on_bad_image == "skip":
        broken = _decode_all(source, shape, pixels=pixels, settings=settings, reading=reading)
    else:
        broken = {}
        _check_shapes(source, shape, settings, reading)
    kept = torch.tensor([row for row in range(len(source)) if row not in broken], dtype=torch.long)
    marks = [fingerprint(source), f"{shape} {settings.size} {sorted(broken)}{mark(reading)}".encode()]
    bad = tuple(BadImage(source.image_name(row), broken[row]) for row in sorted(broken))
    if pixels is not None:
        images: ImageSet = InMemoryImages(
            images=pixels[kept] if broken else pixels,
            labels=take(labels, kept),
            name=source.name,
            class_names=class_names,
            bad_images=bad,
            fingerprint=content_hash(marks, labels),
            row_names=RowNames(kept, source.row_names()),
        )
    else:
        images = StreamedImages(
            source=source,
            rows=kept,
            shape=shape,
            size=settings.size,
            labels=take(labels, kept),
            class_names=class_names,
            fingerprint=content_hash(marks, labels),
            reading=reading,
            bad_images=bad,
            workers=settings.workers,
            budget=settings.budget,
        )
    images.told = words
    return images


def _first_shape(source: AbstractSource, settings: DataSettings, reading: Reading) -> Shape:
    """Shape of the first image that can be read."""
    reason = "the set is empty"
    for row in range(len(source)):
        try:
            channel, height, width = source.decode(row, settings.size, reading).shape
        except BadPixelsError as error:
            if settings.on_bad_image == "error":
                raise bad_image_error(source.image_name(row), str(error)) from error
            reason = f"{source.image_name(row)} {error}"
        else:
            return channel, height, width
    raise InputError(
        f"{source.name} has no image that can be read ({reason}); expected at least one. "
        "Check data.source and data.image_column."
    )


def _decode_all(
    source: AbstractSource,
    shape: Shape,
    *,
    pixels: Tensor | None,
    settings: DataSettings,
    reading: Reading,
) -> dict[int, str]:
    """Decode every image, into `pixels` where given; returns the reason of each broken row."""
    target = None if pixels is None else pixels.numpy()

    def decode(rows: range) -> dict[int, str]:
        return _decode_rows(source, rows, shape=shape, target=target, settings=settings, reading=reading)

    chunks = [range(at, min(at + CHUNK, len(source))) for at in range(0, len(source), CHUNK)]
    broken: dict[int, str] = {}
    for found in bounded_map(decode, chunks, workers=settings.workers, ahead=4 * settings.workers):
        broken |= found
    return broken


def _decode_rows(
    source: AbstractSource,
    rows: range,
    *,
    shape: Shape,
    target: np.ndarray | None,
    settings: DataSettings,
    reading: Reading,
) -> dict[int, str]:
    broken: dict[int, str] = {}
    for row in rows:
        try:
            image = decode_as(source, row, shape=shape, size=settings.size, reading=reading)
        except BadPixelsError as error:
            if settings.on_bad_image == "error":
                raise bad_image_error(source.image_name(row), str(error)) from error
            broken[row] = str(error)
            continue
        if target is not None:
            target[row] = image
    return broken


def _check_shapes(source: AbstractSource, shape: Shape, settings: DataSettings, reading: Reading) -> None:
    """Read the headers of a set that will stream, so that mixed sizes are an error now, not in mid-epoch."""
    if settings.size is not None:
        return

    def check(rows: range) -> None:
        for row in rows:
            try:
                came = source.peek(row, reading)
            except BadPixelsError as error:
                raise bad_image_error(source.image_name(row), str(error)) from error
            if came != shape:
                raise mixed_sizes_error(source.image_name(row), came, shape)

    chunks = [range(at, min(at + CHUNK, len(source))) for at in range(0, len(source), CHUNK)]
    for _ in bounded_map(check, chunks, workers=settings.workers, ahead=4 * settings.workers):
        pass
