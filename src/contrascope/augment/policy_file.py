"""A policy as a JSON file: its operations in order, or one list for each view of a pair that differs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.augment.presets import OPERATIONS, build_policy
from contrascope.augment.settings import AnyOp, ListedPolicy, PolicySettings
from contrascope.errors import InputError, did_you_mean
from contrascope.settings import KIND, brief, from_json, to_json

SUFFIX = ".json"
"""Ending by which a policy's name is read as a file."""


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
    settings, and optionally `name` (else that of the file) and `size`. Without `ops` it may name a preset. Views that
    take different policies: `policies`, a list of such objects for the first view, the second and so on, in turn.
    """
    if not path.is_file():
        raise InputError(f"there is no policy file {path}; expected JSON with a list `ops`. Check the path.")
    data = _object(records.read_json(path, typed=True), str(path))
    listed, sides = _list(data, "ops", str(path)), _list(data, "policies", str(path))
    if listed and sides:
        raise InputError(f"{path} has both `ops` and `policies`; expected one of them.")
    if not listed and not sides and "name" not in data:
        raise InputError(
            f"{path} has neither operations nor the name of a preset; expected a list `ops` such as "
            '[{"kind": "HorizontalFlip", "p": 0.5}], or `policies`, a list of such objects.'
        )
    plain = {key: value for key, value in data.items() if key not in ("ops", "policies")}
    settings = from_json(PolicySettings, {"name": path.stem, **plain}, path=str(path))
    policies = tuple(
        _side(item, f"{path}: policies[{place}]", f"{settings.name} {place + 1}")
        for place, item in enumerate(sides)
    )
    return replace(settings, ops=_operations(listed, f"{path}: ops"), policies=policies)


def _object(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InputError(f"{where} holds a {type(data).__name__}; expected an object with a list `ops`.")
    return data


def _list(data: dict[str, Any], key: str, where: str) -> list[Any]:
    listed = data.get(key, [])
    if not isinstance(listed, list):
        of = {"ops": "operations", "policies": "policies"}[key]
        raise InputError(f"{where}: {key} is {brief(listed)}; expected a list of {of}.")
    return listed


def _side(item: Any, where: str, name: str) -> ListedPolicy:
    """One of several policies: its operations, or those of a preset that is the same for all views."""
    data = _object(item, where)
    if "size" in data:
        raise InputError(f"{where} has a size; views are of one size, which stands beside `policies`.")
    listed = _list(data, "ops", where)
    if listed:
        plain = {"name": name, **{key: value for key, value in data.items() if key != "ops"}, "ops": []}
        return replace(from_json(ListedPolicy, plain, path=where), ops=_operations(listed, f"{where}.ops"))
    if "name" not in data or "ops" in data:
        raise InputError(f"{where} has no operations; expected a list `ops` with at least one.")
    settings = from_json(PolicySettings, data, path=where)
    first, *others = build_policy(settings, channels=3)
    if others:
        raise InputError(
            f"{where}: preset {brief(settings.name)} is a pair itself. Name it at the top of the file, without "
            "`policies`, or list the operations."
        )
    return ListedPolicy(name=settings.name, ops=first.ops)


def _operations(listed: list[Any], where: str) -> tuple[AnyOp, ...]:
    return tuple(_operation(item, f"{where}[{place}]") for place, item in enumerate(listed))


def named_policy(name: str, *, strength: float | None = None) -> PolicySettings:
    """The policy that a word names: a file where it ends in .json, else a preset or letters.

    >>> named_policy("ade", strength=0.5)
    PolicySettings(name='ade', strength=0.5, size=None, ops=(), policies=())
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
    if not isinstance(kind, str) or kind not in OPERATIONS:
        hint = did_you_mean(str(kind)[:80], OPERATIONS)
        raise InputError(f"{where}.kind is {brief(kind)}; expected the name of an operation. {hint}")
    try:
        return from_json(OPERATIONS[kind], item, path=where)
    except InputError as error:
        if str(error).startswith(where):
            raise
        raise InputError(f"{where} ({kind}): {error}") from error
