"""One rule for going on with work: runs, advice, suites.

Asked again with the same request, work goes on where it stopped. Asked with another, it refuses and names the
differences, before anything is written. What is finished is handed back and never overwritten. Parts are kept as they
finish, so a stop loses one part at most, and a damaged part is made anew. Two processes cannot hold one place.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.requests import RequestedRecord, RequestEntry, RequestRecord
from contrascope.records.typed import read_record, write_record
from contrascope.settings import differences, from_json, to_json

T = TypeVar("T")
K = TypeVar("K", bound=RequestedRecord)
REQUEST = RequestRecord.FILE
"""The file of a request, in the folder of its work."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: the same request is the same work."""

    work: str
    """What work it is, such as `advice`."""
    settings: dict[str, Any]
    """Everything that decides a number, as JSON."""
    of: dict[str, Any]
    """What the work is of: fingerprints of images, hash of an encoder."""
    free: tuple[str, ...] = ()
    """Paths such as `settings.transfer.modes` in which a later request may differ and still goes on."""

    @property
    def entry(self) -> RequestEntry:
        """What is kept of it."""
        of, settings = (records.finite(to_json(part)) for part in (self.of, self.settings))
        return RequestEntry(work=self.work, of=of, settings=settings)

    def differences(self, recorded: RequestEntry) -> list[str]:
        """Lines `path: recorded -> asked`; what an older request does not say is not compared.

        >>> one = Request(work="x", settings={"views": 8, "sets": ["a"]}, of={"data": "f0"}, free=("settings.sets",))
        >>> one.differences(RequestEntry(work="", of={"data": "f1"}, settings={"views": 8, "sets": []}))
        ['of.data: f1 -> f0']
        """
        asked = self.entry
        found: dict[str, Any] = {"work": recorded.work or asked.work}
        mine: dict[str, Any] = {"work": asked.work}
        for part in ("of", "settings"):
            found[part] = getattr(recorded, part)
            mine[part] = {key: value for key, value in getattr(asked, part).items() if key in found[part]}
        return differences(_without(found, self.free), _without(mine, self.free))

    def check(self, recorded: RequestEntry, place: Path) -> None:
        """Raises `InputError` where the place holds the work of another request."""
        refuse(
            self.differences(recorded),
            f"{place} holds the work of another request",
            "Ask the same again, or choose another --out; what is there stays as it is.",
        )


def refuse(changed: Sequence[str], what: str, remedy: str) -> None:
    """Raises `InputError` with these differences, if there are any."""
    if changed:
        lines = "\n  ".join(changed)
        raise InputError(f"{what}:\n  {lines}\n{remedy}")


def kept(
    folder: Path,
    name: str,
    *,
    read: Callable[[Path], T],
    make: Callable[[], T],
    write: Callable[[T, Path], Any],
) -> T:
    """The part in a file of a folder: read if it is there, else made and written; a damaged file is made anew.

    Raises `InputError` where a link leads to the file.
    """
    path = records.inside(folder, name)
    if path.is_file():
        try:
            return read(path)
        except InputError:
            path.unlink()
    value = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write(value, path)
    return value


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of parts, each a JSON file that is written whole; a part that is there is not made again."""

    folder: Path
    """Where they lie."""

    def kept(self, kind: type[T], name: str, make: Callable[[], T]) -> T:
        """The value of this name: read if it is there and whole, else made and written."""

        def read(path: Path) -> T:
            return from_json(kind, records.read_json(path), path=str(path))

        def write(value: T, path: Path) -> None:
            records.write_json(path, to_json(value))

        return kept(self.folder, f"{name}.json", read=read, make=make, write=write)


@contextlib.contextmanager
def begin(
    folder: Path,
    request: Request,
    *,
    read: Callable[[RequestEntry], RequestEntry] = lambda recorded: recorded,
) -> Iterator[Store]:
    """Claims a new folder for the request or goes on in it, and holds it meanwhile.

    `read` brings a recorded request to today's form. Raises `InputError` where the folder holds the work of another
    request or something else, or where another process holds it.
    """
    path = folder / REQUEST
    _check_place(folder)
    if path.exists():  # a folder of other work is left as it is, without a lock
        request.check(read(_recorded(path)), folder)
    with records.hold(folder):
        if path.exists():
            request.check(read(_recorded(path)), folder)
        else:
            write_record(path, RequestRecord(request=request.entry))
        yield Store(folder=folder)


def _recorded(path: Path) -> RequestEntry:
    found = read_record(RequestRecord, path)
    found.writable()
    entry = found.require("request").request
    if entry is None or found.missing or found.wrong:
        raise InputError(f"{' '.join(found.notices)} Choose another --out.")
    return entry


@dataclass(kw_only=True)
class OpenRecord(Generic[K]):
    """A record of one file that grows: written whole each time, its request among its parts."""

    path: Path | None
    """Its file; None: nothing is kept."""
    content: K
    """What it holds; lists and mappings are filled in place."""

    def keep(self) -> None:
        """Writes it."""
        if self.path is not None:
            write_record(self.path, self.content)


@contextlib.contextmanager
def begin_record(
    path: Path | None, request: Request, fresh: K, *, older: Callable[[K], RequestEntry]
) -> Iterator[OpenRecord[K]]:
    """Writes a fresh record or goes on with the one that is there, and holds it meanwhile.

    `older` finds the request in a record of version 0.1, which has no part `request`. Raises `InputError` where the
    record is of another request or of a newer version, or where another process holds it.
    """
    fresh = replace(fresh, request=request.entry)
    if path is None:
        yield OpenRecord(path=None, content=fresh)
        return
    _goes_on(path, request, fresh, older)
    path.parent.mkdir(parents=True, exist_ok=True)
    with records.hold(path.parent, lock=f"{path.stem}.lock"):
        found = _goes_on(path, request, fresh, older)
        record = OpenRecord(path=path, content=found or fresh)
        if found is None:
            record.keep()
        yield record


def _goes_on(path: Path, request: Request, fresh: K, older: Callable[[K], RequestEntry]) -> K | None:
    """The record that is there, with its request, or else that of this call."""
    if not path.exists():
        return None
    read = read_record(type(fresh), path)
    found = read.writable()
    if read.wrong:  # left out and then written over, it would be lost
        raise InputError(f"{' '.join(read.notices)} Restore {path}, or choose another --out.")
    request.check(found.request or older(found), path)
    return found if found.request else replace(found, request=request.entry)


def _check_place(folder: Path) -> None:
    """Refuses a folder that holds something, but no request."""
    if not folder.is_dir() or (folder / REQUEST).exists():
        return
    foreign = [path.name for path in folder.iterdir() if path.name != records.LOCK and path.name[0] != "."]
    if foreign:
        raise InputError(
            f"{folder} holds {min(foreign)} and no {REQUEST}, so it is none of ours. Choose another --out."
        )


def _without(tree: dict[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """The tree without the values at these paths."""
    for path in paths:
        first, _, rest = path.partition(".")
        if first in tree:
            inner = tree[first]
            tree = {key: value for key, value in tree.items() if key != first}
            if rest and isinstance(inner, dict):
                tree[first] = _without(inner, [rest])
    return tree
