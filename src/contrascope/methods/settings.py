"""What every method can be told; without torch."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError, did_you_mean
from contrascope.settings import Open, kind_of, written_as

PositivesName = Literal["first", "average", "worst", "worst-symmetric", "soft-worst"]
"""The words of the setting `positives`; docs/arcl.md has a table of what each means for each loss."""

_PROJECTOR = ProjectorSettings()


@written_as("MethodSettings")
@dataclass(frozen=True, kw_only=True)
class MethodSettings(Open):
    """What every method can be told."""

    projector: ProjectorSettings = _PROJECTOR
    """Network between encoder and loss."""
    positives: PositivesName = "average"
    """Which pairs of an image's views count: of the first two, all (average), or the worst one (ArCL); docs/arcl.md."""
    positives_temperature: float | None = None
    """Of soft-worst alone, which asks for it; in units of the loss's alignment: small is worst, large average."""
    joint_pass: bool = False
    """One pass for all views: faster for small batches, but batch norm mixes the views' statistics."""

    @classmethod
    def named(cls, kind: str) -> type:
        """The settings of the method of this kind."""
        known = {kind_of(info.settings): info.settings for info in discover().values()}
        if kind not in known:
            raise InputError(f"no method has it. {did_you_mean(kind, known)}")
        return known[kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodInfo:
    """A registered method."""

    name: str
    """What commands and recipes call it."""
    settings: type[MethodSettings]
    """Its settings."""
    build: str
    """module:Class of the method itself, imported when it is built."""


REGISTERED: dict[str, MethodInfo] = {}
"""Methods whose settings were imported, by name; `discover` imports them all."""
ROOMS, SUFFIX = ("joint", "momentum", "predict"), "_settings"
"""Folders of methods, and the ending of a file that registers one."""


def discover() -> dict[str, MethodInfo]:
    """Every method here by name; a file is found by its ending, nothing lists it.

    >>> sorted(discover())
    ['barlow_twins', 'byol', 'moco', 'simclr', 'simsiam', 'vicreg']
    """
    for room in ROOMS:
        package = importlib.import_module(f"contrascope.methods.{room}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if found.name.endswith(SUFFIX):
                importlib.import_module(found.name)
    return REGISTERED


Kind = TypeVar("Kind", bound=type[MethodSettings])


def registered(name: str, *, build: str) -> Callable[[Kind], Kind]:
    """Registers the settings below it as those of a method; `build` is module:Class of the method."""

    def register(settings: Kind) -> Kind:
        REGISTERED[name] = MethodInfo(name=name, settings=settings, build=build)
        return settings

    return register
