"""The methods by name; without torch."""

from typing import Any

from contrascope.methods.settings import MethodSettings, discover
from contrascope.moved import names_of, note

METHODS: dict[str, type[MethodSettings]] = {name: info.settings for name, info in discover().items()}
"""Name to settings class, of the methods here."""


def __getattr__(name: str) -> Any:
    """`build_method` stood here in version 0.1."""
    home = "contrascope.methods.build"
    found = names_of(__name__, [] if name.startswith("__") else [home])(name)
    note(f"{__name__}.{name}", [home])
    return found
