"""Images that are decoded while they are read, by threads, a few batches ahead."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from contrascope.data.imageset import BadImage, ImageSet, RowNames, content_hash, spans, take
from contrascope.data.pictures.reading import BadPixelsError, Reading
from contrascope.data.source import AbstractSource
from contrascope.data.threads import bounded_map
from contrascope.errors import InputError
from contrascope.types import ByteImages, Ids


@final
class StreamedImages(ImageSet):
    """Images that stay undecoded in files or in memory-mapped Arrow until a batch needs them.

    Pillow releases the interpreter lock while it decodes, so threads suffice. At most `workers + 1` batches
    are decoded ahead, fewer if they would take more than half of `budget` bytes.
    """

    def __init__(
        self,
        *,
        source: AbstractSource,
        rows: Int[Tensor, " n"],
        shape: tuple[int, int, int],
        size: int | None,
        labels: Mapping[str, Tensor],
        class_names: Mapping[str, tuple[str, ...]],
        fingerprint: str,
        reading: Reading = Reading(),  # noqa: B008 - frozen
        bad_images: tuple[BadImage, ...] = (),
        workers: int = 2,
        budget: int = 2**30,
    ) -> None:
        super().__init__(
            name=source.name,
            labels=labels,
            class_names=class_names,
            factors={},
            bad_images=bad_images,
            fingerprint=fingerprint,
            row_names=RowNames(rows, source.row_names()),
        )
        self._source, self._rows, self._shape, self._size = source, rows, shape, size
        self._reading = reading
        self._workers, self._budget = workers, budget

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    def __len__(self) -> int:
        return len(self._rows)

    def gather(self, ids: Ids) -> ByteImages:
        images = torch.empty((len(ids), *self._shape), dtype=torch.uint8)
        pixels = images.numpy()
        for place, row in enumerate(self._rows[ids.cpu()].tolist()):
            try:
                pixels[place] = decode_as(
                    self._source, row, shape=self._shape, size=self._size, reading=self._reading
                )
            except BadPixelsError as error:
                raise bad_image_error(self._source.image_name(row), str(error)) from error
        return images

    def batches(
        self,
        order: Int[Tensor, " n"],
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        start: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        on_gpu = torch.device(device).type == "cuda"

        def decoded(ids: Tensor) -> tuple[Tensor, Tensor]:
            images = self.gather(ids)
            return (ids.pin_memory(), images.pin_memory()) if on_gpu else (ids, images)

        ahead = min(self._workers + 1, self._budget // (2 * batch_size * prod(self._shape)))
        batches = spans(order, batch_size, start=start, size=len(self))
        for ids, images in bounded_map(decoded, batches, workers=self._workers, ahead=ahead):
            yield ids.to(device, non_blocking=on_gpu), images.to(device, non_blocking=on_gpu)

    def select(self, ids: Int[Tensor, " kept"]) -> "StreamedImages":
        part = StreamedImages(
            source=self._source,
            rows=self._rows[ids.cpu()],
            shape=self._shape,
            size=self._size,
            labels=take(self.labels, ids),
            class_names=self.class_names,
            fingerprint=content_hash([self.fingerprint.encode()], {"ids": ids}),
            reading=self._reading,
            bad_images=self.bad_images,
            workers=self._workers,
            budget=self._budget,
        )
        part.told = self.told
        return part

    def to(self, device: torch.device | str) -> "StreamedImages":
        del device
        return self


def decode_as(
    source: AbstractSource,
    row: int,
    *,
    shape: tuple[int, int, int],
    size: int | None,
    reading: Reading,
) -> UInt8[np.ndarray, "channel height width"]:
    """Pixels of one image of the expected shape; another shape is an InputError that asks for a size."""
    pixels = source.decode(row, size, reading)
    if pixels.shape != shape:
        raise mixed_sizes_error(source.image_name(row), pixels.shape, shape)
    return pixels


def mixed_sizes_error(name: str, came: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
    """Two shapes in one set."""
    return InputError(
        f"{name} has shape {tuple(came)}; expected {tuple(expected)} (channel, height, width) as the first "
        "image has. Give one side for all with data.size, for example size=32."
    )


def bad_image_error(name: str, reason: str) -> InputError:
    """One broken image, with the two cures."""
    return InputError(
        f"{name} {reason}; expected a whole image. Repair or remove it, or go on without it "
        "with on_bad_image='skip'."
    )
