"""A policy as a JSON file: its operations in order, each with its probability and ranges."""

import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.augment.presets import AnyOp, PolicySettings
from contrascope.errors import InputError, did_you_mean
from contrascope.settings import KIND, from_json, to_json

SUFFIX = ".json"
"""Ending by which a policy's name is read as a file."""

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in typing.get_args(AnyOp)}


def write_policy(path: Path, policy: PolicySettings) -> Path:
    """Writes the settings so that `read_policy` gives equal ones; returns the file, written whole or not at all.

    >>> import tempfile
    >>> from contrascope.augment.flip import HorizontalFlip
    >>> mirror = PolicySettings(name="mirror", ops=(HorizontalFlip(p=0.25),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_policy(write_policy(Path(folder) / "mirror.json", mirror)) == mirror
    True
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_json(path, to_json(policy))
    return path


def read_policy(path: Path) -> PolicySettings:
    """The policy of a file; a field that is unknown, ill-typed or out of range is refused by name.

    The file holds an object with `ops`, a list of operations that each have their `kind` and any of its
    settings, and optionally `name` (else that of the file) and `size`. Without `ops` it may name a preset.
    """
    if not path.is_file():
        raise InputError(f"there is no policy file {path}; expected JSON with a list `ops`. Check the path.")
    data = records.read_json(path)
    if not isinstance(data, dict):
        raise InputError(f"{path} holds a {type(data).__name__}; expected an object with a list `ops`.")
    listed = data.get("ops", [])
    if not isinstance(listed, list):
        raise InputError(f"{path}: ops is {listed!r}; expected a list of operations.")
    if not listed and "name" not in data:
        raise InputError(
            f"{path} has neither operations nor the name of a preset; expected a list `ops` such as "
            '[{"kind": "HorizontalFlip", "p": 0.5}].'
        )
    ops = tuple(_operation(item, f"{path}: ops[{place}]") for place, item in enumerate(listed))
    rest = {"name": path.stem, **{key: value for key, value in data.items() if key != "ops"}, "ops": []}
    settings = from_json(PolicySettings, rest, path=str(path))
    return PolicySettings(name=settings.name, strength=settings.strength, size=settings.size, ops=ops)


def named_policy(name: str, *, strength: float | None = None) -> PolicySettings:
    """The policy that a word names: a file where it ends in .json, else a preset or letters.

    >>> named_policy("ade", strength=0.5)
    PolicySettings(name='ade', strength=0.5, size=None, ops=())
    """
    if not name.endswith(SUFFIX):
        return PolicySettings(name=name, strength=strength)
    if strength is not None:
        raise InputError(f"{name} is a policy file with values of its own; got strength={strength} as well.")
    return read_policy(Path(name).expanduser())


def in_place_of(own: PolicySettings, file: Path | None) -> PolicySettings:
    """The policy of the file, if there is one; the side of the views stays where the file leaves it open.

    >>> in_place_of(PolicySettings(name="ae"), None).name
    'ae'
    """
    if file is None:
        return own
    given = read_policy(file.expanduser())
    return given if given.size is not None else replace(given, size=own.size)


def _operation(item: Any, where: str) -> Any:
    kind = item.get(KIND) if isinstance(item, dict) else None
    if kind not in _KINDS:
        hint = did_you_mean(str(kind), _KINDS)
        raise InputError(f"{where}.kind is {kind!r}; expected the name of an operation. {hint}")
    try:
        return from_json(_KINDS[kind], item, path=where)
    except InputError as error:
        if str(error).startswith(where):
            raise
        raise InputError(f"{where} ({kind}): {error}") from error
