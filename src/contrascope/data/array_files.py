"""`.npy` and `.npz` files, their headers read and judged before any number is; nothing is ever unpickled."""

import lzma
import math
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy

FREE = 2**28
"""Bytes that a compressed file may unfold to whatever its own length."""
RATIO = 32
"""Times its own length that a longer file may unfold to, where no memory budget says more."""
MOST_HEADER = 2**16
"""Longest header of an array that is read."""

ARRAY_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    SyntaxError,
    MemoryError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)
"""What reading raises for files that are no whole arrays of numbers; the text says why."""


class Header(NamedTuple):
    """What a stored array says of itself."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    start: int
    """Bytes of the header."""

    @property
    def length(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_regular(path: Path) -> None:
    """ValueError for a pipe, a device or a folder: reading those may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is no regular file")


def unfolds_to(stored: int) -> int:
    """The most bytes that a compressed file of this length may unfold to.

    >>> unfolds_to(2_500_000) // 2**20, unfolds_to(2**30) // 2**30
    (256, 32)
    """
    return max(FREE, RATIO * stored)


def map_npy(path: Path, *, mode: Literal["r", "c"] = "r") -> np.ndarray:
    """The numbers of a `.npy` file, mapped into memory and not read; one of `ARRAY_ERRORS` for anything else."""
    check_regular(path)
    with path.open("rb") as file:
        header = _header(file)
    _check_length(header, path.stat().st_size - header.start)
    return _mapped(path, header, header.start, mode)


def open_npz(path: Path, *, most: int | None = None) -> Mapping[str, "Member"]:
    """The arrays of a `.npz` file by name, none of them read yet; at most `most` bytes are unfolded for one."""
    check_regular(path)
    limit = unfolds_to(path.stat().st_size) if most is None else most
    with zipfile.ZipFile(path) as archive:
        return {
            info.filename.removesuffix(".npy"): Member(path, archive, info, limit)
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }


class Member:
    """One array of a `.npz` file: shape and type are known, numbers are read by `read`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> None:
        self._path, self._info, self._limit = path, info, limit
        with archive.open(info) as file:
            self._header = _header(file)
        _check_length(self._header, info.file_size - self._header.start)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes."""
        return self._header.shape

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def read(self) -> np.ndarray:
        """Its numbers: mapped where they are stored as they are, else unfolded; MemoryError above the limit."""
        header = self._header
        if self._info.compress_type == zipfile.ZIP_STORED and not self._info.flag_bits & 1:
            return _mapped(self._path, header, self._place() + header.start, "c")
        if header.length > self._limit:
            raise MemoryError(
                f"{self._info.filename} unfolds from {self._info.compress_size / 2**20:,.1f} MiB to "
                f"{header.length / 2**20:,.0f} MiB, and at most {self._limit / 2**20:,.0f} MiB are unfolded"
            )
        with zipfile.ZipFile(self._path) as archive, archive.open(self._info) as file:
            _header(file)
            values = np.empty(math.prod(header.shape), dtype=header.dtype)
            _fill(file, values)
        return values.reshape(header.shape, order="F" if header.fortran else "C")

    def _place(self) -> int:
        """Where its bytes begin: after its own local header, which may be longer than the directory says."""
        with self._path.open("rb") as file:
            file.seek(self._info.header_offset)
            local = file.read(30)
        if len(local) < 30 or local[:4] != b"PK\3\4":
            raise zipfile.BadZipFile(f"{self._info.filename} does not begin where the directory says")
        name, extra = struct.unpack("<HH", local[26:30])
        return self._info.header_offset + 30 + name + extra


def _header(file: Any) -> Header:
    """Shape and type; a header that says it is longer than any is not read."""
    begin = file.read(10)
    if begin[:6] != npy.MAGIC_PREFIX or len(begin) < 10:
        raise ValueError("it does not begin as an array")
    newer = begin[6] > 1
    begin += file.read(2) if newer else b""
    length = int.from_bytes(begin[8:], "little")
    if begin[6] not in (1, 2, 3) or length > MOST_HEADER:
        raise ValueError(f"its header is no array's (format {begin[6]}, {length:,} bytes)")
    whole = BytesIO(begin[8:] + file.read(length))
    read = npy.read_array_header_2_0 if newer else npy.read_array_header_1_0
    shape, fortran, dtype = read(whole)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded")
    if dtype.kind not in "biufcUS":
        raise ValueError(f"it holds {dtype}, no plain numbers")
    if any(size < 0 for size in shape):
        raise ValueError(f"it says the shape {shape}")
    return Header(shape, fortran, dtype, len(begin) + length)


def _check_length(header: Header, there: int) -> None:
    if header.length > there:
        raise ValueError(
            f"it says {header.shape} {header.dtype}, {header.length:,} bytes, and holds {there:,}"
        )


def _mapped(path: Path, header: Header, start: int, mode: Literal["r", "c"]) -> np.ndarray:
    order = "F" if header.fortran else "C"
    if header.length == 0:
        return np.empty(header.shape, dtype=header.dtype, order=order)
    if start + header.length > os.path.getsize(path):
        raise ValueError("it ends too soon")
    return np.memmap(path, dtype=header.dtype, shape=header.shape, order=order, mode=mode, offset=start)


def _fill(file: Any, values: np.ndarray) -> None:
    into, done = values.view(np.uint8), 0
    while done < len(into):
        part = file.read(min(2**22, len(into) - done))
        if not part:
            raise EOFError("it ends too soon")
        into[done : done + len(part)] = np.frombuffer(part, dtype=np.uint8)
        done += len(part)
