"""What records are made of: parts with types, from plain trees and back."""

import dataclasses
import functools
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

FORMAT = 1
"""The form of records that this version writes; files without a number are format 0 (version 0.1)."""
OPEN = ("settings", "protocol", "ops")
"""Keys below which `kind` tells what a setting is, and is kept."""

Tree = dict[str, Any]


@dataclass(frozen=True)
class Within:
    """Bounds of a number, both among what it may be."""

    low: int | float
    high: int | float


Count = Annotated[int, Within(0, 2**63 - 1)]
"""How many; a negative one is of another form."""
Part = Annotated[float, Within(0.0, 1.0)]
"""A share."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A part of a record. Fields without a default are its parts; a file that lacks one is read and says so."""

    extra: Tree = field(default_factory=dict)
    """What this version has no field for; written back as it came."""

    def unequal(self) -> tuple[str, ...]:
        """Fields whose length does not belong to that of the others; reading leaves them out."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Record(Entry):
    """What one file holds."""

    KIND: ClassVar[str] = ""
    """The file's `kind`: a word of its own, so that a class may change its name."""
    FILE: ClassVar[str] = ""
    """The file's name in a folder."""

    @classmethod
    def upgraded(cls, tree: Tree) -> Tree:
        """The content of a format 0 file in the form of format 1; may be handed anything."""
        return without_kinds(tree)


E = TypeVar("E", bound=Entry)
R = TypeVar("R", bound=Record)


def as_tree(record: Entry) -> Tree:
    """Plain values of a record or of a part of one; a whole record begins with format and kind."""
    head: Tree = {"format": FORMAT, "kind": record.KIND} if isinstance(record, Record) else {}
    known = {name: _plain(getattr(record, name)) for name in fields_of(type(record))}
    return {**head, **known, **{key: value for key, value in record.extra.items() if key not in known}}


def empty(kind: type[R]) -> R:
    """The record of a file that is not there."""
    return entry_of(kind, {}, "", Found())


def without_kinds(tree: Any) -> Any:
    """A tree without the class names that format 0 noted on every level; those of settings and operations stay.

    >>> without_kinds({"kind": "Factors", "error": {"kind": "Estimate", "value": 1}, "ops": [{"kind": "Flip"}]})
    {'error': {'value': 1}, 'ops': [{'kind': 'Flip'}]}
    """
    if isinstance(tree, dict):
        return {
            key: item if key in OPEN else without_kinds(item) for key, item in tree.items() if key != "kind"
        }
    return [without_kinds(item) for item in tree] if isinstance(tree, (list, tuple)) else tree


@dataclass
class Found:
    """What reading came upon: dotted paths."""

    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class _WrongError(Exception):
    """A value of another type."""


@functools.cache
def fields_of(kind: type[Entry]) -> dict[str, tuple[Any, bool]]:
    """Type of every field but `extra`, and whether a file must have it."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {
        one.name: (hints[one.name], one.default is one.default_factory is dataclasses.MISSING)
        for one in dataclasses.fields(kind)
        if one.name != "extra"
    }


def entry_of(kind: type[Any], data: Tree, path: str, found: Found) -> Any:
    """A part from its tree: what is missing or of another type is noted in `found` and left empty."""
    values: Tree = {}
    known = fields_of(kind)
    for name, (hint, required) in known.items():
        where = f"{path}.{name}" if path else name
        if name not in data:
            if required:
                found.missing.append(where)
                values[name] = _nothing(hint)
            continue
        try:
            values[name] = _value(hint, data[name], where, found)
        except _WrongError:
            found.wrong.append(where)
            if required:
                values[name] = _nothing(hint)
    record = kind(**values, extra={str(key): item for key, item in data.items() if key not in known})
    lost = record.unequal()
    found.wrong.extend(f"{path}.{name}" if path else name for name in lost)
    return (
        dataclasses.replace(record, **{name: _nothing(known[name][0]) for name in lost}) if lost else record
    )


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _value(hint: Any, data: Any, path: str, found: Found) -> Any:
    options = _options(hint)
    if data is None and types.NoneType in options:
        return None
    for option in options:
        origin, args = typing.get_origin(option), typing.get_args(option)
        if origin is Annotated:
            return _bounded(args[0], args[1], data, path, found)
        if option in (float, int, str, bool):
            if (value := _scalar(option, data, len(options) > 2)) is not None:
                return value
        elif origin in (tuple, list) and isinstance(data, (list, tuple)):
            return origin(_items(args[0], data, path, found))
        elif origin is dict and isinstance(data, dict):
            return data if args[1] is Any else _mapping(args[1], data, path, found)
        elif (
            isinstance(option, type) and dataclasses.is_dataclass(option) and isinstance(data, (dict, option))
        ):
            return entry_of(option, data, path, found) if isinstance(data, dict) else data
    raise _WrongError(path)


def _bounded(hint: Any, bounds: Within, data: Any, path: str, found: Found) -> Any:
    value = _value(hint, data, path, found)
    if not bounds.low <= value <= bounds.high:
        raise _WrongError(path)
    return value


def _scalar(option: Any, data: Any, several: bool) -> Any:
    """The value as this type, None where it is none; a whole number may stand for a float, and the other way round."""
    if option is bool or isinstance(data, bool):
        return data if option is bool and isinstance(data, bool) else None
    if option is str or isinstance(data, str):
        return data if option is str and isinstance(data, str) else None
    if type(data) is option:
        return data
    if several or not isinstance(data, (int, float)) or (option is int and abs(data) >= 2**63):
        return None
    try:
        return float(data) if option is float else int(data) if data == int(data) else None
    except (OverflowError, ValueError):
        return None


def _items(hint: Any, data: Any, path: str, found: Found) -> Iterator[Any]:
    """Every item; one of another type is None where it may be, else left out."""
    nullable = types.NoneType in _options(hint)
    for place, item in enumerate(data):
        where = f"{path}[{place}]"
        try:
            yield _value(hint, item, where, found)
        except _WrongError:
            found.wrong.append(where)
            if nullable:
                yield None


def _mapping(hint: Any, data: Tree, path: str, found: Found) -> Tree:
    kept: Tree = {}
    for key, item in data.items():
        try:
            kept[str(key)] = _value(hint, item, f"{path}.{key}", found)
        except _WrongError:
            found.wrong.append(f"{path}.{key}")
    return kept


def _nothing(hint: Any) -> Any:
    """What stands for a part that is missing; numbers have none, so that no zero is made up."""
    if types.NoneType in _options(hint):
        return None
    origin = typing.get_origin(hint)
    for kind in (str, tuple, list, dict):
        if kind in (hint, origin):
            return kind()
    raise TypeError(f"a part of type {hint} must allow None")


def _plain(value: Any) -> Any:
    if isinstance(value, Entry):
        return as_tree(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
