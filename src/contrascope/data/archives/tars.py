"""A folder of `.tar` files as one set, as WebDataset writes large ones: their members behind the names of the files."""

import os
import re
import tarfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from contrascope.data.archives.members import (
    ARCHIVE_ERRORS,
    AbstractMembers,
    check_length,
    walk_tar,
)
from contrascope.data.folders.names import shown_name
from contrascope.data.pictures.reading import BadPixelsError
from contrascope.data.pictures.regular import check_regular_file
from contrascope.data.splits import pick_splits, split_word
from contrascope.errors import InputError, MissingSplitError

OPEN = 64
"""Files that are open at once."""
_NUMBERED = re.compile(r"(?P<split>.*?)[-_.]?\d*(-of-\d+)?$")


@final
class TarFolder(AbstractMembers):
    """The members of several tars below a folder, `train-0000.tar/0001.jpg` and so on."""

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.name = shown_name(str(root))
        self._root, self._files = root, tuple(files)
        self._lock, self._open = threading.Lock(), OrderedDict[int, int]()
        weakref.finalize(self, _close, self._open)
        self._places: dict[str, tuple[int, int, int]] = {}
        for number, file in enumerate(self._files):
            places, left_out = _index(root / file)
            self.left_out += left_out
            for name, (start, length) in places.items():
                self._places[f"{file}/{name}"] = number, start, length
        self.sizes = {name: length for name, (_, _, length) in self._places.items()}

    def read(self, name: str) -> bytes:
        number, start, length = self._places[name]
        check_length(length)
        with self._lock:  # held while it is read: another thread may close what is open for longest
            data = os.pread(self._handle(number), length, start)
        if len(data) < length:
            raise BadPixelsError("ends before the archive says so")
        return data

    def _handle(self, number: int) -> int:
        if number not in self._open:
            if len(self._open) >= OPEN:
                os.close(self._open.popitem(last=False)[1])
            self._open[number] = os.open(self._root / self._files[number], os.O_RDONLY | os.O_CLOEXEC)
        self._open.move_to_end(number)
        return self._open[number]


def _close(handles: Mapping[int, int]) -> None:
    for handle in handles.values():
        os.close(handle)


def _index(path: Path) -> tuple[dict[str, tuple[int, int]], int]:
    check_regular_file(path)
    try:
        with path.open("rb") as file:
            return walk_tar(file, length=os.fstat(file.fileno()).st_size)
    except InputError:
        raise
    except (*ARCHIVE_ERRORS, tarfile.TarError) as error:
        raise InputError(
            f"{shown_name(str(path))} is no whole .tar ({error}); expected one that is not compressed as a whole. "
            "Write or fetch it again."
        ) from error


def tars_of_split(names: Sequence[str], split: str, *, folder: str) -> list[str]:
    """The files of a split, where their names begin with what splits are called; else all are one split.

    >>> tars_of_split(["train-0000.tar", "train-0001.tar", "val-0000.tar"], "train", folder="pets")
    ['train-0000.tar', 'train-0001.tar']
    >>> tars_of_split(["00000.tar", "00001.tar"], "train", folder="pets")
    ['00000.tar', '00001.tar']
    """
    stems = {name: _stem(name) for name in names}
    if any(split_word(stem) is not None for stem in stems.values()):
        chosen = pick_splits(split, dict.fromkeys(stems.values()), name=folder, by_meaning=True)
        return [name for name in names if stems[name] in chosen]
    if split not in ("train", "all"):
        raise MissingSplitError(
            f"{folder} has no split {split!r}: its .tar files are one split, for none is called train, validation or "
            "test; expected train or all. Give the folder of the split as data.source."
        )
    return list(names)


def _stem(name: str) -> str:
    found = _NUMBERED.match(Path(name).stem)
    return found["split"] if found else Path(name).stem
