"""Regular files only: no pipe that waits for ever, no device without an end, nothing outside the set's folder."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from contrascope.data.folders.names import shown_name
from contrascope.data.pictures.reading import BadPixelsError
from contrascope.errors import InputError

MOST_BYTES = 2**28
"""Longest file that is read as one picture."""

LONGEST = 200
"""Letters of a cell that a message repeats."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file of at most `most` bytes; anything else is a bad image, and is not opened."""
    try:
        # A file may change between the two looks: it is opened without waiting, and looked at again.
        _check_regular(path.stat(), most)
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            _check_regular(os.fstat(handle), most)
            data = file.read(most + 1)
        if data is None:
            raise BadPixelsError("is a file that gives no data")
    except OSError as error:
        raise BadPixelsError(f"cannot be opened ({error.strerror or error})") from error
    except ValueError as error:
        if isinstance(error, BadPixelsError):
            raise
        raise BadPixelsError(f"cannot be opened ({error})") from error
    _check_length(len(data), most)
    return data


def read_below(cell: str, roots: Sequence[Path]) -> bytes:
    """The file that a cell of a table names, if it lies below one of the folders, links resolved; else a bad image.

    A path without a root is taken from the first folder.
    """
    said = shown_name(cell[:LONGEST])
    if "://" in cell:
        raise BadPixelsError(
            f"names the address {said} and holds no bytes; addresses in cells are not fetched"
        )
    if not roots:
        raise BadPixelsError(f"names the file {said} and holds no bytes; this set has no folder of files")
    try:
        found = (roots[0] / cell).resolve()
        inside = any(found.is_relative_to(root.resolve()) for root in roots)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadPixelsError(f"names the file {said}, which is no path ({error})") from error
    if not inside:
        raise BadPixelsError(
            f"names the file {said}, which is not below {roots[0]}; files elsewhere are not read"
        )
    return read_regular(found)


def check_regular_file(path: Path) -> None:
    """InputError for a file that cannot be opened, or that is no regular one, however long it may be."""
    try:
        _check_regular(path.stat(), 2**62)
    except (OSError, BadPixelsError) as error:
        said = str(error) if isinstance(error, BadPixelsError) else f"cannot be opened ({error.strerror})"
        raise InputError(f"{shown_name(str(path))} {said}; expected a file. Check data.source.") from error


def _check_regular(found: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise BadPixelsError(f"is no regular file but {kind}")
    _check_length(found.st_size, most)


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise BadPixelsError(
            f"has {length / 2**20:,.0f} MiB; at most {most / 2**20:,.0f} are read as one picture"
        )
