"""Names that a room re-exports are imported when they are first used, so that `--help` answers at once."""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from contrascope.extras import named_extras


def attach(package: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__`: finds each name in its home module, given as name to module below the package.

    A package of an optional extra that the module needs and that is missing ends in the sentence that names the extra.
    Where a name is also that of its module (`losses.vicreg`), the package gives what the module defines, as if the
    package had imported it.

    >>> attach("contrascope", {"InputError": "errors"})("InputError").__name__
    'InputError'
    """
    if any(name == home for name, home in homes.items()):
        sys.modules[package].__class__ = _room(homes)

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with named_extras():
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return find


def _room(homes: dict[str, str]) -> type[ModuleType]:
    """A module to which importing a module of a re-exported name binds that name instead."""

    class Room(ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            if isinstance(value, ModuleType) and homes.get(name) == name:
                value = getattr(value, name)
            super().__setattr__(name, value)

    return Room
