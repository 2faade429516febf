"""The files within an archive or below an address: their names and lengths, and the bytes of one."""

import io
import tarfile
import threading
import weakref
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from contrascope.data.array_files import ARRAY_ERRORS, unfolds_to
from contrascope.data.folders.names import shown_name
from contrascope.data.pictures.reading import BadPixelsError
from contrascope.data.pictures.regular import MOST_BYTES
from contrascope.errors import InputError

ARCHIVE_ERRORS = (*ARRAY_ERRORS, tarfile.TarError, EOFError)
"""What reading raises for files that are no whole archives."""
LONGEST_HEADER = 2**24
"""Bytes that the description of one member may take."""


class AbstractMembers(ABC):
    """Files that are read by name, from any thread."""

    name: str
    """What messages call the whole."""

    sizes: Mapping[str, int]
    """Every file's length by its name, with `/` between its parts; in their order."""

    left_out: int = 0
    """Links, devices, and names that lead out: never followed, never read."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The bytes of one file; BadPixelsError for one that is broken or too long."""


def safe_name(name: str) -> str | None:
    """The name without a leading root; None for one that leads out of the archive.

    >>> safe_name("./cat/1.png"), safe_name("/cat/1.png"), safe_name("cat/../../1.png"), safe_name("c:/1.png")
    ('cat/1.png', 'cat/1.png', None, None)
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    leads_out = ".." in parts or not parts or parts[0].endswith(":") or "\0" in name
    return None if leads_out else "/".join(parts)


def check_length(length: int) -> None:
    """BadPixelsError for a file that is longer than one picture may be."""
    if not 0 <= length <= MOST_BYTES:
        raise BadPixelsError(
            f"has {length / 2**20:,.0f} MiB; at most {MOST_BYTES / 2**20:,.0f} are read as one picture"
        )


@final
class ZipMembers(AbstractMembers):
    """The files of a zip, which may be folded."""

    def __init__(self, file: Any, name: str, *, length: int) -> None:
        self.name = name
        self._archive = zipfile.ZipFile(file)
        weakref.finalize(self, _close, self._archive, file)
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        _refuse_bomb(name, length, sum(info.file_size for info in infos))
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            safe = None if _is_link(info) else safe_name(info.filename)
            if safe is None:
                self.left_out += 1
            else:
                self._infos[safe] = info
        self.sizes = {name: info.file_size for name, info in self._infos.items()}

    def read(self, name: str) -> bytes:
        info = self._infos[name]
        check_length(info.file_size)
        try:
            return self._archive.read(info)
        except InputError:
            raise
        except ARCHIVE_ERRORS as error:
            raise BadPixelsError(f"cannot be read from its archive ({error})") from error


@final
class TarMembers(AbstractMembers):
    """The files of a tar that is not compressed as a whole."""

    def __init__(self, file: Any, name: str, *, length: int) -> None:
        self.name = name
        self._file, self._lock = file, threading.Lock()
        weakref.finalize(self, _close, file)
        self._places, self.left_out = walk_tar(file, length=length)
        self.sizes = {name: size for name, (_, size) in self._places.items()}

    def read(self, name: str) -> bytes:
        start, length = self._places[name]
        check_length(length)
        with self._lock:
            self._file.seek(start)
            data = self._file.read(length)
        if len(data) < length:
            raise BadPixelsError("ends before the archive says so")
        return data


def walk_tar(file: Any, *, length: int) -> tuple[dict[str, tuple[int, int]], int]:
    """Place and length of every file in a tar that is not compressed as a whole, and how many are left out."""
    places: dict[str, tuple[int, int]] = {}
    left_out = 0
    careful: Any = _Careful(file)
    with tarfile.open(fileobj=careful, mode="r:") as archive:
        walk: Any = archive
        while (info := archive.next()) is not None:
            walk.members = []  # else every one is kept, and there may be millions
            safe = safe_name(info.name) if info.isreg() and not info.issparse() else None
            if safe is not None and 0 <= info.offset_data <= info.offset_data + info.size <= length:
                places[safe] = info.offset_data, info.size
            elif not info.isdir():
                left_out += 1
    return places, left_out


def open_archive_file(file: Any, name: str) -> AbstractMembers:
    """The files of a zip or a tar, by its first bytes; InputError for what is neither or is damaged."""
    try:
        length = file.seek(0, io.SEEK_END)
        file.seek(0)
        begin = file.read(4)
        file.seek(0)
        kind = ZipMembers if begin[:2] == b"PK" else TarMembers
        found = kind(file, name, length=length)
    except InputError:
        _close(file)
        raise
    except ARCHIVE_ERRORS as error:
        _close(file)
        raise InputError(
            f"{shown_name(name)} is no whole .zip or .tar ({error}); expected one that is not compressed as a whole. "
            "Write or fetch it again."
        ) from error
    return found


def _refuse_bomb(name: str, length: int, found: int) -> None:
    limit = unfolds_to(length)
    if found > limit:
        raise InputError(
            f"{shown_name(name)} has {length / 2**20:,.1f} MiB and says that it unfolds to {found / 2**20:,.0f} MiB; "
            f"expected at most the {limit / 2**20:,.0f} MiB that are read of such a file. Unpack it if you trust it."
        )


def _is_link(info: zipfile.ZipInfo) -> bool:
    return info.external_attr >> 16 & 0o170000 not in (0, 0o100000)


def _close(*files: Any) -> None:
    for file in files:
        file.close()


@dataclass(frozen=True)
class _Careful:
    """A file of which no description is read that says it is longer than any."""

    file: Any

    def read(self, length: int = -1) -> bytes:
        if not 0 <= length <= LONGEST_HEADER:
            raise ValueError("a member's description is longer than any")
        return self.file.read(length)

    def seek(self, *place: int) -> int:
        return self.file.seek(*place)

    def tell(self) -> int:
        return self.file.tell()


def by_parts(names: Iterable[str]) -> list[str]:
    """Names in the order in which folders are read.

    >>> by_parts(["b/1", "a.b/1", "a/2"])
    ['a/2', 'a.b/1', 'b/1']
    """
    return sorted(names, key=lambda name: name.split("/"))
