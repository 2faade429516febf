"""What every method can be told, and the list of methods, which their files make; without torch."""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError, did_you_mean
from contrascope.imports import FromFile, import_typed, is_path
from contrascope.methods.hints import Hint, Suspect, first_off
from contrascope.methods.large_run import LargeRun
from contrascope.settings import Open, kind_of, require_positive, written_as

if TYPE_CHECKING:
    from contrascope.losses.pairs import Positives

PositivesName = Literal["first", "average", "average-asymmetric", "worst", "worst-symmetric", "soft-worst"]
"""The words of the setting `positives`; docs/arcl.md has a table of what each means for each loss."""

ItemKind = Literal["images", "sentences"]
"""What methods learn from."""

_PROJECTOR = ProjectorSettings()


@written_as("MethodSettings")
@dataclass(frozen=True, kw_only=True)
class MethodSettings(Open):
    """What any method is told: nothing in common."""

    def hint(self, word: str, signals: Mapping[str, float]) -> Hint | None:
        """What in these settings probably led to a verdict; None: nothing that only this method knows.

        `signals` are plain numbers of the diagnosis by their names, such as `z.dim`.
        """
        return first_off(self.suspects(word, signals))

    def suspects(self, word: str, signals: Mapping[str, float]) -> tuple[Suspect, ...]:
        """Every setting that can cause what `word` names, with its value and whether it is out of its usual range.

        A cause is named only where a setting is; where none is, these are listed as looked at.
        """
        del word, signals
        return ()

    def check(self) -> None:
        """Refuses what can be known to be wrong before a run's folder is begun; it may import torch."""
        self.refuse_temperature()

    def refuse_temperature(self) -> None:
        """Refuses a temperature, where these settings have one, that nothing can be divided by."""
        temperature = getattr(self, "temperature", None)
        if isinstance(temperature, int | float):
            require_positive(temperature=temperature)

    @classmethod
    def kind_name(cls) -> str:
        """A method of somebody else's is named by its import path, ours by the class of its settings."""
        found = [info for info in IMPORTED.values() if info.settings is cls]
        return found[0].name if found else super().kind_name()

    @classmethod
    def named(cls, kind: str) -> type:
        """The settings of the method of this kind, which a file names: an import path has to be allowed."""
        if is_path(kind):
            return imported(FromFile(kind)).settings
        known = {kind_of(info.settings): info.settings for info in every_method().values()}
        if kind not in known:
            raise InputError(f"no method has it. {did_you_mean(kind, known)}")
        return known[kind]


@dataclass(frozen=True, kw_only=True)
class JointSettings(MethodSettings):
    """What every method that compares embeddings of views can be told."""

    projector: ProjectorSettings = _PROJECTOR
    """Network between encoder and loss."""
    positives: PositivesName = "average"
    """Which pairs of an image's views count: of the first two, all (average), or the worst one (ArCL); docs/arcl.md."""
    positives_temperature: float | None = None
    """Of soft-worst alone, which asks for it; in units of the loss's alignment: small is worst, large average."""
    joint_pass: bool = False
    """One pass for all views: faster for small batches, but batch norm mixes the views' statistics."""
    splits: int = 0
    """Parts of the joined batch that batch norm of encoder and projector sees apart; 0: the whole batch."""

    def check(self) -> None:
        super().check()
        self.refuse_positives()
        from contrascope.losses.pairs import named_positives

        named_positives(self.positives, self.positives_temperature)

    @property
    def positives_chosen(self) -> "Positives":
        """What a loss takes for the two settings of positives; imports torch."""
        from contrascope.losses.pairs import named_positives

        return named_positives(self.positives, self.positives_temperature)

    def refuse_positives(self) -> None:
        """Refuses a choice of pairs that the method, as it is registered, cannot take."""
        info = info_of(type(self))
        if info is not None and self.positives not in info.positives:
            raise InputError(
                f"{info.name} cannot take positives {self.positives!r}: {info.why_not}. "
                f"Use {', '.join(map(repr, info.positives))}."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallRun:
    """How a method's recipe for a CPU differs from the common one."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the method that differ from its defaults."""
    epochs: int
    """Passes over CIFAR-10's training images in about ten minutes on two cores."""
    batch: int = 256
    """Images a step."""
    optim: Literal["adamw", "sgd", "muon"] = "adamw"
    """Optimiser; runs/recipes.py has the numbers of each."""
    policy: str = "simclr-cifar"
    """Preset that makes the views."""
    moves: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the optimiser that differ from its numbers there."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of training that differ from the common ones."""
    encoder: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the encoder that differ from the common convnet's; `small` has those of a test."""
    arcl: bool = False
    """Whether there is a recipe with ArCL's positives too."""
    digits: Mapping[str, Any] | None = field(default_factory=dict)
    """What it changes in `changes` on 8x8 gray scans; None: it has nothing to learn from them."""
    digits_encoder: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the encoder on these scans that differ from the demo's convnet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodInfo:
    """A registered method."""

    name: str
    """What commands and recipes call it."""
    settings: type[MethodSettings]
    """Its settings."""
    build: str
    """module:Class of the method itself, imported when it is built."""
    positives: tuple[str, ...] = get_args(PositivesName)
    """The words of `positives` that it can take."""
    why_not: str = ""
    """Why it cannot take the others."""
    small_run: SmallRun | None = None
    """Its recipe for a CPU; None: there is none."""
    paper_rate: float | None = None
    """Learning rate of its recipe with 800 epochs (Huang et al. 2023); None: there is none."""
    large_run: LargeRun | None = None
    """Its recipe for a GPU; None: there is none."""
    supervised: bool = False
    """Whether it learns from labels: no method of self-supervision, but a yard-stick for them."""
    items: ItemKind = "images"
    """What it learns from."""
    small: Mapping[str, Any] = field(default_factory=dict)
    """Settings that make it small enough for a test of 16 images, beside projectors of a few units."""

    @property
    def small_settings(self) -> MethodSettings:
        """Settings of its recipe for a CPU, or its defaults."""
        return self.settings(**({} if self.small_run is None else self.small_run.changes))


REGISTERED: dict[str, MethodInfo] = {}
"""Methods whose settings were imported, by name; `discover` imports all of ours."""
IMPORTED: dict[str, MethodInfo] = {}
"""Methods that were asked for by import path in this process."""
ROOMS, SUFFIX = ("joint", "momentum", "predict", "cluster", "pretext", "adversarial", "text"), "_settings"
"""Folders of methods, and the ending of a file that registers one."""


def discover(items: ItemKind = "images") -> dict[str, MethodInfo]:
    """Every registered method of such items by name; ours are found by their file's ending, nothing lists them.

    >>> {"simclr", "moco", "plain"} <= set(discover()), "simcse" in discover("sentences")
    (True, True)
    """
    return {name: info for name, info in every_method().items() if info.items == items}


@functools.cache
def every_method() -> dict[str, MethodInfo]:
    """Every registered method by name, whatever it learns from; the dictionary is `REGISTERED` itself."""
    for room in ROOMS:
        package = importlib.import_module(f"contrascope.methods.{room}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if found.name.endswith(SUFFIX):
                importlib.import_module(found.name)
    return REGISTERED


def info_of(settings: type[MethodSettings]) -> MethodInfo | None:
    """What is registered for these settings; of a subclass without an entry of its own, its base's."""
    entries = {info.settings: info for info in [*REGISTERED.values(), *IMPORTED.values()]}
    return next((entries[kind] for kind in settings.__mro__ if kind in entries), None)


Kind = TypeVar("Kind", bound=type[MethodSettings])


def registered(
    name: str,
    *,
    build: str,
    without_positives: Mapping[str, str] | None = None,
    small_run: SmallRun | None = None,
    paper_rate: float | None = None,
    large_run: LargeRun | None = None,
    supervised: bool = False,
    small: Mapping[str, Any] | None = None,
    items: ItemKind = "images",
) -> Callable[[Kind], Kind]:
    """Registers the settings below it as those of a method.

    Args:
        name: What commands and recipes call it.
        build: module:Class of the method.
        without_positives: Words of `positives` that it cannot take, each with the reason.
        small_run: Its recipe for a CPU.
        paper_rate: Learning rate of its recipe with the settings of Huang et al. 2023.
        large_run: Its recipe for a GPU, with the literature's settings.
        supervised: Whether it learns from labels.
        small: Settings for tests of 16 images.
        items: What it learns from.
    """

    def register(settings: Kind) -> Kind:
        refused = dict(without_positives or {})
        REGISTERED[name] = MethodInfo(
            name=name,
            settings=settings,
            build=build,
            positives=tuple(word for word in get_args(PositivesName) if word not in refused),
            why_not="; ".join(dict.fromkeys(refused.values())),
            small_run=small_run,
            paper_rate=paper_rate,
            large_run=large_run,
            supervised=supervised,
            small=small or {},
            items=items,
        )
        return settings

    return register


def imported(path: str) -> MethodInfo:
    """The method `package.module:Class`, which says in `settings_type` what it can be told.

    Raises `NotAllowedError` where a file names it and nobody allowed it, for it is code.
    """
    found, path = import_typed(path, what="method"), str(path)
    if path in IMPORTED:
        return IMPORTED[path]
    from contrascope.methods.base import Method  # whoever has a method of their own has torch by now

    if not (isinstance(found, type) and issubclass(found, Method)):
        raise InputError(
            f"method {path!r} is {found!r}; expected a class derived from contrascope.methods.base.Method."
        )
    settings = getattr(found, "settings_type", None)
    if not (isinstance(settings, type) and issubclass(settings, MethodSettings)):
        raise InputError(
            f"method {path!r} has settings_type {settings!r}; expected a dataclass derived from MethodSettings "
            "or JointSettings, as a class attribute."
        )
    taken = info_of(settings)
    if taken is not None and taken.settings is settings:
        raise InputError(
            f"method {path!r} has the settings of {taken.name}; give it a settings class of its own, if only "
            f"`class Mine({settings.__name__})`."
        )
    base = MethodInfo(name=path, settings=settings, build=path) if taken is None else taken
    IMPORTED[path] = replace(
        base, name=path, settings=settings, build=path, small_run=None, paper_rate=None, large_run=None
    )
    return IMPORTED[path]


def method_settings(name: str) -> MethodSettings:
    """Default settings of the method that a user typed: a name, or `package.module:Class`, which is imported.

    >>> method_settings("barlow-twins").kind_name()
    'BarlowTwinsSettings'
    """
    if is_path(name):
        kind = imported(name).settings
    else:
        known = every_method()
        plain = name.replace("-", "_")
        if plain not in known:
            hint = did_you_mean(plain, known)
            raise InputError(f"there is no method {name!r}. {hint} One of your own: package.module:Class.")
        kind = known[plain].settings
    try:
        return kind()
    except TypeError as error:
        raise InputError(f"method {name!r}: its settings {kind.__name__} need defaults ({error}).") from error
