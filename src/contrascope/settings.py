"""Settings as values: frozen dataclasses to JSON and back, differences, and strict reading."""

import dataclasses
import enum
import hashlib
import json
import math
import reprlib
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from contrascope.errors import InputError, did_you_mean
from contrascope.imports import from_file

T = TypeVar("T")
Kind = TypeVar("Kind", bound=type)
KIND = "kind"
LARGEST = 2**62
"""What the size of every number in settings is below, so that sums of two still fit where they go."""


SMALLEST = 1e-10
"""What is divided by is no smaller: in single precision rounding alone would decide the quotient, or it overflows."""


def require_positive(**values: float) -> None:
    """Refuses what is divided by, such as a temperature: zero, negative, no finite number, or below `SMALLEST`.

    >>> require_positive(temperature=0.0)
    Traceback (most recent call last):
    contrascope.errors.InputError: temperature is 0.0; expected a finite number above zero.
    >>> require_positive(temperature=1e-40)
    Traceback (most recent call last):
    contrascope.errors.InputError: temperature is 1e-40; expected at least 1e-10: below it rounding alone decides.
    """
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name} is {value}; expected a finite number above zero.")
        if value < SMALLEST:
            raise InputError(
                f"{name} is {value}; expected at least {SMALLEST:g}: below it rounding alone decides."
            )


class Open:
    """A base whose subclasses a file names by `kind`, wherever they are defined: read through `named`."""

    @classmethod
    def named(cls, kind: str) -> type:
        """The subclass of this name; raises `InputError` with the nearest known one."""
        raise NotImplementedError

    @classmethod
    def kind_name(cls) -> str:
        """What files call this class: the word that it was given, unless it says otherwise."""
        return _KINDS.get(cls, cls.__name__)


_KINDS: dict[type, str] = {}


def written_as(kind: str) -> Callable[[Kind], Kind]:
    """Gives a class of settings the word that files call it: it stays when the class is renamed, and is not inherited.

    Above the dataclass decorator, since that may make a new class.
    """

    def give(cls: Kind) -> Kind:
        _KINDS[cls] = kind
        return cls

    return give


def kind_of(cls: type) -> str:
    """The word that files call these settings; of a class that was given none, its name.

    >>> kind_of(written_as("Dot")(type("Point", (), {}))), kind_of(type("Line", (), {}))
    ('Dot', 'Line')
    """
    return cls.kind_name() if issubclass(cls, Open) else _KINDS.get(cls, cls.__name__)


def has_kind(cls: type) -> bool:
    """Whether a class was given its own word."""
    return cls in _KINDS


def to_json(value: Any) -> Any:
    """Plain JSON of nested settings; each dataclass carries its word under `kind`.

    >>> import dataclasses
    >>> Point = dataclasses.make_dataclass("Point", [("x", int), ("y", tuple[int, ...])], frozen=True)
    >>> to_json(Point(1, (2, 3)))
    {'kind': 'Point', 'x': 1, 'y': [2, 3]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {KIND: kind_of(type(value)), **fields}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    return str(value) if isinstance(value, str) else value


def digest(value: Any, *, length: int = 10) -> str:
    """Short SHA-256 of the settings' canonical JSON: equal settings, equal digest.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    canonical = json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


def from_json(kind: type[T], data: Any, *, path: str = "settings") -> T:
    """The settings that `to_json` wrote; unknown, missing and ill-typed values are refused by name.

    An import path among them counts as one that a file names: it is imported only where it was allowed.
    """
    return _read(kind, data, path)


def differences(one: Any, other: Any, *, path: str = "") -> list[str]:
    """Lines `path: one -> other` for every value that differs between two JSON trees.

    >>> differences({"a": {"b": 1}}, {"a": {"b": 2}})
    ['a.b: 1 -> 2']
    """
    if isinstance(one, dict) and isinstance(other, dict):
        lines = []
        for key in [*one, *(k for k in other if k not in one)]:
            inner = f"{path}.{key}" if path else str(key)
            lines += differences(one.get(key), other.get(key), path=inner)
        return lines
    return [] if one == other else [f"{path}: {one} -> {other}"]


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxstring = 2, 4, 8, 80


def brief(data: Any) -> str:
    """A value in a message: short, however large it is.

    >>> brief("x" * 1000 + "y")[-4:], brief(list(range(100)))
    ("xxy'", '[0, 1, 2, 3, 4, 5, 6, 7, ...]')
    """
    return _SHORT.repr(data)


def _below(path: str, key: Any) -> str:
    return f"{path}.{str(key)[:80]}"


def _read(kind: Any, data: Any, path: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _read(args[0], data, path)
    if origin in (typing.Union, types.UnionType):
        return _read_union(args, data, path)
    if origin is typing.Literal:
        if not any(type(data) is type(one) and data == one for one in args):
            raise InputError(f"{path} is {brief(data)}; expected one of {', '.join(map(repr, args))}.")
        return data
    if isinstance(kind, type) and issubclass(kind, Open):
        return _read_open(kind, data, path)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, data, path)
    if origin is tuple:
        return _read_tuple(args, data, path)
    if origin is dict:
        if not isinstance(data, dict):
            raise InputError(f"{path} is {brief(data)}; expected names with values.")
        return {key: _read(args[1], item, _below(path, key)) for key, item in data.items()}
    return _read_plain(kind, data, path)


def _read_plain(kind: Any, data: Any, path: str) -> Any:
    if isinstance(data, str) and kind in (Any, str):
        return from_file(data)
    if kind is Any:
        return data
    if kind is types.NoneType and data is None:
        return None
    if isinstance(data, (int, float)) and not -LARGEST < data < LARGEST:
        raise InputError(f"{path} is {brief(data)}; expected a number below {LARGEST:.0e}.")
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is Path and isinstance(data, str):
        return Path(data)
    if isinstance(kind, type) and isinstance(data, kind) and (kind is bool or not isinstance(data, bool)):
        return data
    raise InputError(f"{path} is {brief(data)}; expected {getattr(kind, '__name__', kind)}.")


def _read_tuple(args: tuple[Any, ...], data: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise InputError(f"{path} is {brief(data)}; expected a list.")
    kinds = [args[0]] * len(data) if len(args) == 2 and args[1] is Ellipsis else list(args)
    if len(kinds) != len(data):
        raise InputError(f"{path} has {len(data)} entries; expected {len(kinds)}.")
    return tuple(
        _read(kind, item, f"{path}[{i}]") for i, (kind, item) in enumerate(zip(kinds, data, strict=True))
    )


def _read_union(args: tuple[Any, ...], data: Any, path: str) -> Any:
    if data is None and types.NoneType in args:
        return None
    named = {kind_of(a): a for a in args if dataclasses.is_dataclass(a) and isinstance(a, type)}
    if isinstance(data, dict) and named:
        name = data.get(KIND, next(iter(named)) if len(named) == 1 else None)
        if not isinstance(name, str) or name not in named:
            raise InputError(f"{path}.kind is {brief(name)}. {did_you_mean(str(name), named)}")
        return _read(named[name], data, path)
    for option in args:
        try:
            return _read(option, data, path)
        except InputError:
            continue
    raise InputError(f"{path} is {brief(data)}; expected one of {', '.join(str(a) for a in args)}.")


def _read_open(kind: type[Open], data: Any, path: str) -> Any:
    if not isinstance(data, dict) or not isinstance(data.get(KIND, ""), str):
        raise InputError(f"{path} is {brief(data)}; expected an object with a `kind`.")
    if KIND not in data and dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, data, path)
    try:
        found = kind.named(from_file(data.get(KIND, "")))
    except InputError as error:
        raise type(error)(f"{path}.kind is {brief(data.get(KIND))}; {error}") from error
    if not issubclass(found, kind):
        raise InputError(f"{path}.kind is {brief(data[KIND])}; expected a {kind.__name__}.")
    return _read_dataclass(found, data, path)


def _read_dataclass(kind: Any, data: Any, path: str) -> Any:
    if not isinstance(data, dict):
        raise InputError(f"{path} is {brief(data)}; expected the fields of {kind.__name__}.")
    if data.get(KIND, kind_of(kind)) != kind_of(kind):
        raise InputError(f"{path}.kind is {brief(data[KIND])}; expected {kind_of(kind)!r}.")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind, include_extras=True)
    given = {key: item for key, item in data.items() if key != KIND}
    for key in given:
        if key not in fields:
            raise InputError(
                f"{_below(path, key)} is not a setting of {kind.__name__}. {did_you_mean(key, fields)}"
            )
    required = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    missing = [name for name in required if name not in given]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}, which {kind.__name__} needs.")
    return kind(**{key: _read(hints[key], item, _below(path, key)) for key, item in given.items()})
