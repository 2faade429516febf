"""One writer and one tolerant reader: unknown keys are kept, missing parts named, old forms converted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from contrascope.errors import InputError
from contrascope.records.entry import FORMAT, E, Found, R, Record, Tree, as_tree, entry_of, without_kinds
from contrascope.records.files import read_json, write_json

NAMED = 8
"""Paths that a notice names; of more it says how many."""
HEAD = ("format", "kind")
"""Keys with which every file begins."""


@dataclass(frozen=True, kw_only=True)
class Read(Generic[R]):
    """A record as it was read."""

    record: R
    """What was found; None or empty where there was nothing."""
    path: Path
    """The file."""
    format: int
    """The number that the file names; 0 where it names none."""
    missing: tuple[str, ...]
    """Dotted paths of parts that the file lacks."""
    wrong: tuple[str, ...]
    """Dotted paths of values of another type, which were left out."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What is to be said of the file, in sentences; nothing where it is whole."""
        said = []
        if self.format > FORMAT:
            said.append(
                f"{self.path.name} has format {self.format}, written by a newer version; "
                f"it was read as format {FORMAT}."
            )
        if self.missing:
            said.append(f"{self.path.name} lacks {_listed(self.missing)}.")
        if self.wrong:
            has, was = ("has", "was") if len(self.wrong) == 1 else ("have", "were")
            said.append(
                f"{self.path.name}: {_listed(self.wrong)} {has} an unexpected form and {was} left out."
            )
        return tuple(said)

    def require(self, *names: str) -> R:
        """The record; raises `InputError` where one of these parts is missing, null or of another type."""
        lost = [name for name in names if getattr(self.record, name) in (None, (), "", {}, [])]
        if lost:
            raise InputError(f"{self.path} lacks {_listed(lost)}. Restore it, or start the run anew.")
        return self.record

    def writable(self) -> R:
        """The record to go on with; raises `InputError` for one of a newer version, which would lose what it holds."""
        if self.format > FORMAT:
            raise InputError(
                f"{self.path} has format {self.format} and this version writes {FORMAT}. Update contrascope, or write "
                "elsewhere with --out."
            )
        return self.record


def read_record(kind: type[R], path: Path) -> Read[R]:
    """A record from its file, as far as it can be read.

    Raises `InputError` with the file's name where there is no file, no JSON, no mapping, or another kind of record.
    """
    return record_of(kind, read_tree(path), path)


def record_of(kind: type[R], tree: Tree, path: Path) -> Read[R]:
    """A record from the content of its file; `path` is for messages."""
    number = tree.get("format", 0)
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise InputError(f"{path} is damaged (its format is {str(number)[:40]!r}; expected a number).")
    if number == 0:
        tree = kind.upgraded(tree)
    elif tree.get("kind") != kind.KIND:
        raise InputError(f"{path} holds {str(tree.get('kind'))[:40]!r}; expected {kind.KIND!r}.")
    body = {key: value for key, value in tree.items() if key not in HEAD}
    found = Found()
    record = entry_of(kind, body, "", found)
    return Read(
        record=record, path=path, format=number, missing=tuple(found.missing), wrong=tuple(found.wrong)
    )


def read_tree(path: Path, *, typed: bool = False) -> Tree:
    """The mapping that a file holds; raises `InputError` with its name for anything else; `typed`: see `read_json`."""
    tree = read_json(path, typed=typed)
    if not isinstance(tree, dict):
        raise InputError(f"{path} is damaged (it holds a {type(tree).__name__}; expected names with values).")
    return tree


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all, with its format and kind first."""
    write_json(path, as_tree(record))


def as_record(kind: type[R], tree: Tree) -> R:
    """A record from values that a producer measured, as plain trees; a missing or ill-typed one is a bug and raises."""
    return as_part(kind, tree)


def as_part(kind: type[E], tree: Tree) -> E:
    """The same for a part of a record."""
    found = Found()
    record = entry_of(kind, without_kinds(tree), "", found)
    if found.missing or found.wrong or record.extra:
        raise TypeError(
            f"{kind.__name__}: missing {found.missing}, wrong {found.wrong}, unknown {sorted(record.extra)}"
        )
    return record


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(path[:80] for path in paths[:NAMED]) + more
