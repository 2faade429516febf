"""The methods by name; without torch."""

from contrascope.methods.settings import MethodSettings, discover

METHODS: dict[str, type[MethodSettings]] = {name: info.settings for name, info in discover().items()}
"""Name to settings class, of the methods here."""
