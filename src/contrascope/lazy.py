"""Names that a room re-exports are imported when they are first used, so that `--help` answers at once."""

import importlib
from collections.abc import Callable
from typing import Any


def attach(package: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__`: finds each name in its home module, given as name to module.

    >>> attach("contrascope", {"InputError": "errors"})("InputError").__name__
    'InputError'
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return find
