"""Everything below a folder, walked once: pictures, tables, what is ignored, and where links lead."""

import heapq
import importlib.util
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from contrascope.data.folders.names import shown_name
from contrascope.errors import InputError

TABLES = (".csv", ".jsonl", ".parquet")
"""Endings of files that may say something of the pictures."""
NO_PICTURES = (".bufr", ".eps", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".pdf", ".ps", ".emf", ".wmf")
"""Endings that Pillow knows and that hold no photograph, or need another program."""
IGNORED = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "#recycle")
IGNORED += ("system volume information", "lost+found", "__pycache__")
"""Names, in any capitals, of what systems leave among pictures; so are names that begin with a dot."""

Place = tuple[int, int]
"""Device and number: what tells one folder from another, whatever it is called."""


@dataclass(frozen=True, kw_only=True)
class FolderTree:
    """What lies below a folder; names are relative to it, with `/` between their parts."""

    root: Path
    """The folder."""
    pictures: tuple[str, ...]
    """Files with the ending of a picture, in the order of their parts."""
    tables: tuple[str, ...] = ()
    """Files that end as tables do, in the same order."""
    archives: tuple[str, ...] = ()
    """Files that end with .tar, in the same order; they are among the others too."""
    others: dict[str, int] = field(default_factory=dict)
    """Files that are neither: ending (empty: none) to count."""
    ignored: int = 0
    """Pictures that are hidden, or in folders that systems make."""
    links: dict[str, str] = field(default_factory=dict)
    """Links to folders that were followed, and where they lead."""
    twins: dict[str, str] = field(default_factory=dict)
    """Links to folders that are read already, and under which name."""
    loops: tuple[str, ...] = ()
    """Links to a folder that they lie in, which are not followed."""
    empty: tuple[str, ...] = ()
    """Folders directly below without any picture."""

    @property
    def shown(self) -> str:
        """The folder as messages call it."""
        return shown_name(str(self.root))


@cache
def picture_endings() -> frozenset[str]:
    """Endings of picture files, in small letters.

    >>> {".png", ".jpg", ".webp"} <= picture_endings(), ".txt" in picture_endings()
    (True, False)
    """
    Image.init()
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    more = {".heic", ".heif"} if importlib.util.find_spec("pillow_heif") else set[str]()
    return frozenset((known | more) - set(NO_PICTURES))


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is no part of a set of pictures.

    >>> is_ignored(".DS_Store"), is_ignored("__MACOSX"), is_ignored("cat")
    (True, True, False)
    """
    return name.startswith(".") or name.casefold() in IGNORED


def ending(name: str) -> str:
    """The ending in small letters, with its dot.

    >>> ending("a/IMG_1.JPG"), ending("README")
    ('.jpg', '')
    """
    return os.path.splitext(name)[1].lower()


def read_tree(root: Path) -> FolderTree:
    """Walks the folder; links to folders are followed, each folder is read once, so that no walk is endless.

    Raises `InputError` for a folder that cannot be opened.
    """
    walk = _TreeWalk(root)
    walk.folder("", _place(root))
    while walk.pending:
        walk.link("/".join(heapq.heappop(walk.pending)))
    pictures = sorted(walk.pictures, key=_parts)
    filled = {name.split("/", 1)[0] for name in pictures if "/" in name}
    below = {name.split("/", 1)[0] for name in walk.names.values() if name}
    return FolderTree(
        root=root,
        pictures=tuple(pictures),
        tables=tuple(sorted(walk.tables, key=_parts)),
        archives=tuple(sorted(walk.archives, key=_parts)),
        others=dict(walk.others.most_common()),
        ignored=walk.ignored,
        links=walk.links,
        twins=walk.twins,
        loops=tuple(walk.loops),
        empty=tuple(sorted(below - filled)),
    )


class _TreeWalk:
    """A walk that knows every folder that it was in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.above = {_place(folder) for folder in root.resolve().parents}
        self.names: dict[Place, str] = {}
        self.pending: list[list[str]] = []
        self.pictures: list[str] = []
        self.tables: list[str] = []
        self.archives: list[str] = []
        self.others: Counter[str] = Counter()
        self.ignored = 0
        self.links: dict[str, str] = {}
        self.twins: dict[str, str] = {}
        self.loops: list[str] = []

    def folder(self, name: str, place: Place) -> None:
        """All real folders below; links to folders wait until these are done."""
        self.names[place] = name
        waiting = [name]
        while waiting:
            here = waiting.pop()
            for entry in _entries(self.root / here):
                inner = f"{here}/{entry.name}" if here else entry.name
                if is_ignored(entry.name):
                    self.ignored += _pictures_in(entry)
                elif entry.is_dir(follow_symlinks=False):
                    found = _place(Path(entry.path))
                    if self.names.setdefault(found, inner) == inner:
                        waiting.append(inner)
                elif entry.is_symlink() and _is_folder(entry):
                    heapq.heappush(self.pending, _parts(inner))
                else:
                    self._file(inner, entry)

    def link(self, name: str) -> None:
        """One link to a folder: followed, or noted as a loop or as a second name of a folder."""
        target, home = (self.root / name).resolve(), (self.root / name).parent.resolve()
        place = _place(target)
        known = self.names.get(place)
        if place in self.above or home.is_relative_to(target):
            self.loops.append(name)
        elif known is not None:
            self.twins[name] = known
        else:
            self.links[name] = str(target)
            self.folder(name, place)

    def _file(self, name: str, entry: os.DirEntry[str]) -> None:
        kind, plain = ending(name), _is_plain(entry)
        if kind in picture_endings() and plain:
            self.pictures.append(name)
        elif kind in TABLES and plain:
            self.tables.append(name)
        else:
            self.others[kind] += 1
            if kind == ".tar" and plain:
                self.archives.append(name)


def _parts(name: str) -> list[str]:
    return name.split("/")


def _place(folder: Path) -> Place:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"{shown_name(str(folder))} cannot be opened ({error.strerror}); expected a folder that can be read. "
            "Give yourself the right to read it, or move it out of the folder of pictures."
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_plain(entry: os.DirEntry[str]) -> bool:
    """A file, or a link that leads nowhere, which is a broken picture; no pipe, which would never end."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True


def _pictures_in(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return ending(entry.name) in picture_endings()
    return sum(ending(name) in picture_endings() for name in _names_below(entry.path))


def _names_below(folder: str) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from names
