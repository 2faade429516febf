"""A set of images with labels: what every source becomes, in memory or streamed."""

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, final

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from contrascope.errors import InputError
from contrascope.types import ByteImages, Ids

LookUp = Callable[[Sequence[int]], list[str]]
"""From rows of a source to their names."""


def numbered(rows: Sequence[int]) -> list[str]:
    """Rows without names are called by their numbers.

    >>> numbered([3, 0])
    ['3', '0']
    """
    return [str(row) for row in rows]


class RowNames(NamedTuple):
    """Where each image stands in its source, and what the source calls its rows."""

    rows: Int[Tensor, " n"]
    """Row of every image in the source; rows of skipped images are missing."""
    look_up: LookUp = numbered
    """From rows to names."""

    def of(self, ids: Int[Tensor, " ids"]) -> tuple[str, ...]:
        """The names of these images, in this order."""
        return tuple(self.look_up(self.rows[ids.cpu()].tolist()))

    def select(self, ids: Int[Tensor, " kept"]) -> "RowNames":
        """The names of a part of the set."""
        return RowNames(self.rows[ids.cpu()], self.look_up)


class BadImage(NamedTuple):
    """An image that was left out: its file or row, and what was wrong."""

    name: str
    reason: str


class ImageSet(ABC):
    """Images that are addressed by id, 0 to n - 1, with label columns and, for drawn sets, factors."""

    told: tuple[str, ...] = ()
    """What is said of a set before anything is done with it, a sentence a line: how a folder was read."""

    def __init__(
        self,
        *,
        name: str,
        labels: Mapping[str, Int[Tensor, " n"]],
        class_names: Mapping[str, tuple[str, ...]],
        factors: Mapping[str, Tensor],
        bad_images: tuple[BadImage, ...],
        fingerprint: str | None,
        row_names: RowNames | None,
    ) -> None:
        self.name = name
        self._row_names = row_names
        self.labels: dict[str, Tensor] = {column: values.long() for column, values in labels.items()}
        self.class_names = dict(class_names)
        self.factors = dict(factors)
        self.bad_images = bad_images
        self._fingerprint = fingerprint

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Channel, height and width of every image."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def gather(self, ids: Ids) -> ByteImages:
        """The images with these ids, in this order."""

    @abstractmethod
    def batches(
        self,
        order: Int[Tensor, " n"],
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        start: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Ids and images in the given order, on the device, from batch `start` on; the last may be short."""

    @abstractmethod
    def select(self, ids: Int[Tensor, " kept"]) -> "ImageSet":
        """The set of these images only; image k of it is image `ids[k]` of this set."""

    @abstractmethod
    def to(self, device: torch.device | str) -> "ImageSet":
        """The set with its pixels on the device, if it holds them; a streamed set stays as it is."""

    def names(self, ids: Int[Tensor, " ids"] | None = None) -> tuple[str, ...]:
        """The file that each of these images came from (below the source's folder), or its row number; of all if unset.

        Skipped images leave a gap in the numbers, and the images of a part keep their names.
        """
        ids = torch.arange(len(self)) if ids is None else ids
        return self._names.of(ids)

    @property
    def has_names(self) -> bool:
        """Whether images are called by the files that they came from, and not by their numbers."""
        return self._row_names is not None and self._row_names.look_up is not numbered

    @property
    def _names(self) -> RowNames:
        return RowNames(torch.arange(len(self))) if self._row_names is None else self._row_names

    @property
    def fingerprint(self) -> str:
        """Identity of the content, 16 hex digits: equal sets have equal fingerprints."""
        return self._fingerprint or self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        pixels = self.gather(torch.arange(len(self))).cpu().numpy()
        return content_hash([str(pixels.shape).encode(), pixels.tobytes()], self.labels)

    def relabelled(
        self, labels: Mapping[str, Int[Tensor, " n"]], class_names: Mapping[str, tuple[str, ...]]
    ) -> "ImageSet":
        """The same images with other label columns."""
        made = copy.copy(self)
        vars(made).pop("_content_hash", None)
        made.labels = {column: values.long() for column, values in labels.items()}
        made.class_names = {name: class_names[name] for name in labels if name in class_names}
        made._fingerprint = content_hash([self.fingerprint.encode(), b"relabelled"], made.labels)
        return made

    @property
    def label_column(self) -> str | None:
        """The primary label column; None for an unlabelled set."""
        return next(iter(self.labels), None)

    @property
    def y(self) -> Tensor | None:
        """The primary labels; None for an unlabelled set."""
        return None if self.label_column is None else self.labels[self.label_column]

    def __repr__(self) -> str:
        columns = ", ".join(self.labels) or "unlabelled"
        return f"{type(self).__name__}({self.name!r}, {len(self)} images {self.shape}, {columns})"


@final
class InMemoryImages(ImageSet):
    """Images held as one uint8 tensor, on the CPU or on the training device.

    >>> images = InMemoryImages(images=torch.zeros(3, 1, 8, 8, dtype=torch.uint8))
    >>> [ids.tolist() for ids, _ in images.batches(torch.tensor([2, 0, 1]), 2)]
    [[2, 0], [1]]
    """

    def __init__(
        self,
        *,
        images: UInt8[Tensor, "n channel height width"],
        labels: Tensor | Mapping[str, Tensor] | None = None,
        name: str = "tensor",
        class_names: Mapping[str, tuple[str, ...]] | None = None,
        factors: Mapping[str, Tensor] | None = None,
        bad_images: tuple[BadImage, ...] = (),
        fingerprint: str | None = None,
        row_names: RowNames | None = None,
    ) -> None:
        columns = {"label": labels} if isinstance(labels, Tensor) else dict(labels or {})
        for column, values in columns.items():
            if len(values) != len(images):
                raise InputError(
                    f"label column {column!r} of {name} has {len(values)} entries for {len(images)} images; "
                    "expected one label per image. Cut or complete the labels."
                )
        super().__init__(
            name=name,
            labels=columns,
            class_names=class_names or {},
            factors=factors or {},
            bad_images=bad_images,
            fingerprint=fingerprint,
            row_names=row_names,
        )
        self.images = images

    @property
    def shape(self) -> tuple[int, int, int]:
        channel, height, width = self.images.shape[1:]
        return channel, height, width

    def __len__(self) -> int:
        return len(self.images)

    def gather(self, ids: Ids) -> ByteImages:
        return self.images.index_select(0, ids.to(self.images.device))

    def batches(
        self,
        order: Int[Tensor, " n"],
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        start: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        parts = spans(order, batch_size, start=start, size=len(self))
        if not parts or torch.device(device).type == "cpu":
            for ids in parts:
                yield ids, self.gather(ids).to(device)
            return
        # off the CPU the order goes over once: to send each batch's would wait for the device at every step
        held = self.images.device.type == torch.device(device).type
        sent = torch.cat(parts).to(device).split(batch_size)
        for ids, there in zip(parts, sent, strict=True):
            if held:
                yield there, self.gather(there).to(device)
            else:
                yield there, _pinned(self.gather(ids), device).to(device, non_blocking=True)

    def select(self, ids: Int[Tensor, " kept"]) -> "InMemoryImages":
        part = InMemoryImages(
            images=self.gather(ids),
            labels=take(self.labels, ids),
            name=self.name,
            class_names=self.class_names,
            factors=take(self.factors, ids),
            bad_images=self.bad_images,
            fingerprint=content_hash([self.fingerprint.encode()], {"ids": ids}),
            row_names=self._names.select(ids),
        )
        part.told = self.told
        return part

    def to(self, device: torch.device | str) -> "InMemoryImages":
        return InMemoryImages(
            images=self.images.to(device),
            labels=self.labels,
            name=self.name,
            class_names=self.class_names,
            factors=self.factors,
            bad_images=self.bad_images,
            fingerprint=self._fingerprint,
            row_names=self._row_names,
        )


def _pinned(images: Tensor, device: torch.device | str) -> Tensor:
    """Where a GPU can fetch them while the host goes on."""
    return images.pin_memory() if torch.device(device).type == "cuda" and images.is_cpu else images


def spans(order: Int[Tensor, " n"], batch_size: int, *, start: int, size: int) -> list[Tensor]:
    """The order cut into batches, without the first `start` ones.

    >>> spans(torch.arange(5), 2, start=1, size=5)
    [tensor([2, 3]), tensor([4])]
    """
    if batch_size < 1 or start < 0:
        raise InputError(f"batch_size is {batch_size} and start {start}; expected at least 1 and 0.")
    if len(order) and not 0 <= int(order.min()) <= int(order.max()) < size:
        raise InputError(
            f"the order has ids {int(order.min())} to {int(order.max())}; expected ids of this set, "
            f"0 to {size - 1}. Order the ids of this set."
        )
    rest = order[start * batch_size :]
    return list(rest.split(batch_size)) if len(rest) else []


def take(columns: Mapping[str, Tensor], ids: Tensor) -> dict[str, Tensor]:
    """These rows of every column."""
    return {name: values[ids.to(values.device)] for name, values in columns.items()}


def content_hash(parts: list[bytes], columns: Mapping[str, Tensor]) -> str:
    """The first 16 hex digits of SHA-256 over the parts and the columns."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    for name, values in columns.items():
        digest.update(name.encode())
        digest.update(values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
