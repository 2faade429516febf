"""Where undecoded images come from: picture files here, Arrow and arrays in their own modules."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import UInt8

from contrascope.data.convert import PLAIN, Depth, decode_image, depth_of, encoded_shape
from contrascope.data.folders.names import shown_name, text_name
from contrascope.data.imageset import LookUp, numbered
from contrascope.data.pictures.reading import BadPixelsError, Reading
from contrascope.data.pictures.regular import read_regular

FINGERPRINT_SAMPLES = 1024
"""So many images, evenly spaced, enter a fingerprint with all their bytes; the others with their length."""


class AbstractSource(ABC):
    """Images in a fixed order that are decoded one by one, from any thread."""

    name: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def image_name(self, row: int) -> str:
        """What a message calls this image: its file, or its row and column."""

    @abstractmethod
    def read(self, row: int) -> bytes:
        """The stored bytes of one image."""

    @abstractmethod
    def identity(self) -> bytes:
        """What tells this source from another without reading it: names and lengths."""

    def row_names(self) -> LookUp:
        """What finds the names of rows: the files they came from, or else their numbers. It keeps no image open."""
        return numbered

    def decode(
        self, row: int, size: int | None, reading: Reading
    ) -> UInt8[np.ndarray, "channel height width"]:
        """Pixels of one image; raises BadPixelsError for a broken one."""
        return decode_image(self.read(row), size, reading)

    def peek(self, row: int, reading: Reading = PLAIN) -> tuple[int, int, int]:
        """Shape of one image without decoding it."""
        return encoded_shape(self.read(row), reading)

    def depth(self, row: int, reading: Reading) -> Depth | None:
        """The range of an image whose numbers have more than 8 bits; None for all others."""
        return depth_of(self.read(row), reading)


def fingerprint(source: AbstractSource) -> bytes:
    """SHA-256 of a source: its identity and up to 1,024 images, evenly spaced, in full."""
    digest = hashlib.sha256(source.identity())
    step = max(1, len(source) // FINGERPRINT_SAMPLES)
    for row in range(0, len(source), step):
        try:
            digest.update(source.read(row))
        except BadPixelsError as error:
            digest.update(str(error).encode())
    return digest.digest()


@final
class FileSource(AbstractSource):
    """Picture files below one folder."""

    def __init__(self, root: Path, files: tuple[Path, ...]) -> None:
        self.name = shown_name(str(root))
        self._root = root
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def image_name(self, row: int) -> str:
        return shown_name(str(self._files[row]))

    def read(self, row: int) -> bytes:
        return read_regular(self._files[row])

    def row_names(self) -> LookUp:
        root, files = self._root, self._files

        def found(rows: Sequence[int]) -> list[str]:
            return [text_name(files[row].relative_to(root).as_posix()) for row in rows]

        return found

    def identity(self) -> bytes:
        names = (f"{file.relative_to(self._root).as_posix()}:{_bytes_of(file)}" for file in self._files)
        return "\n".join(names).encode("utf-8", "surrogateescape")


def _bytes_of(path: Path) -> int:
    """Length of a file; -1 for a link that leads nowhere."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
