"""The first word of `train` and `sweep`: a recipe or a file of settings, with the flags that change its settings."""

from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from contrascope import records
from contrascope.commands.command import CONFIG, Computing, values_of
from contrascope.commands.settings_file import is_settings_file, name_of, read_settings
from contrascope.errors import InputError
from contrascope.imports import FromFile, allow, from_file, is_path
from contrascope.methods.settings import method_settings
from contrascope.runs.recipes import RECIPES, Recipe, find_recipe
from contrascope.runs.settings import RunSettings
from contrascope.runs.text_settings import AnyRunSettings, TextRunSettings

METHOD = "--method"


@dataclass(frozen=True, kw_only=True)
class RecipeArguments(Computing):
    """A whole run's settings, and what stands for many of them."""

    settings: Annotated[AnyRunSettings, tyro.conf.arg(name="")]
    name: tyro.conf.Suppress[tyro.conf.Fixed[str]] = ""
    """What a run without --out is called."""
    method_name: Annotated[str | None, tyro.conf.arg(name="method")] = None
    """Another method in place of the recipe's, with its own defaults; `--method.*` changes them."""
    policy: Path | None = None
    """Policy file (JSON), as `contrascope advise` writes it, in place of the recipe's policy."""
    probe: Literal["geometry"] | None = None
    """Measured while training: `geometry` stands for `--geometry.times 10`, unless the times are given."""


A = TypeVar("A", bound=RecipeArguments)


def allow_methods(rest: list[str]) -> None:
    """A method of one's own that is typed may be named by a file of settings too."""
    for method in filter(is_path, values_of(METHOD, rest)):
        allow(method)


def named(kind: type[A], name: str, rest: list[str], *, helping: bool) -> A:
    """The arguments of a recipe or of a file of settings, by what the word is, with the method of --method."""
    return with_method(_named(kind, name, rest, helping=helping), rest)


def with_method(default: A, rest: list[str]) -> A:
    """The same with the method that --method names: its own flags follow from it, so it is looked for first."""
    names = values_of(METHOD, rest)
    if not names:
        return default
    return replace(default, settings=replace(default.settings, method=method_settings(names[-1])))


def resolved(parsed: RecipeArguments) -> AnyRunSettings:
    """The settings with what the short words stand for."""
    if isinstance(parsed.settings, TextRunSettings):
        if parsed.policy is not None or parsed.probe is not None:
            raise InputError(
                "--policy and --probe are for images; views of sentences are set by --views.first."
            )
        return parsed.settings
    from contrascope.augment.policy_file import in_place_of

    settings = replace(parsed.settings, policy=in_place_of(parsed.settings.policy, parsed.policy))
    if parsed.probe == "geometry":
        settings = replace(settings, geometry=settings.geometry.followed())
    return settings


def resolved_images(parsed: RecipeArguments) -> RunSettings:
    """The same for what works on images alone."""
    settings = resolved(parsed)
    if isinstance(settings, RunSettings):
        return settings
    raise InputError("these settings are of a run on sentences; grids and sweeps are of runs on images.")


def _named(kind: type[A], name: str, rest: list[str], *, helping: bool) -> A:
    folder = Path(name).expanduser()
    known = name in RECIPES
    if not known and is_settings_file(name):
        return kind(settings=read_settings(folder), name=name_of(folder))
    if not known and folder.is_dir():
        raise InputError(
            f"{name} is a folder without {records.SETTINGS}, so no run. To train on images in it: "
            f"contrascope train folder-simclr --data.source {name}"
        )
    return _of_recipe(kind, find_recipe(name), name, rest, helping=helping)


def _of_recipe(kind: type[A], recipe: Recipe, name: str, rest: list[str], *, helping: bool) -> A:
    """The recipe's settings, fitted to the data if the recipe does so."""
    default = kind(settings=recipe.make(), name=name)
    if helping:
        return default
    from contrascope.machine.device import find_device
    from contrascope.runs.here import suited

    if recipe.adapt is None:
        device = find_device(next(iter(values_of("--device", rest)), None))
        return replace(default, settings=suited(default.settings, device))
    from contrascope.runs.facts import look

    given = tyro.cli(
        kind,
        args=rest,
        default=with_method(default, rest),
        prog=f"contrascope train {name}",
        config=CONFIG,
    )
    data = resolved_images(given).data
    facts = look(data, find_device(given.device))
    fitted = recipe.adapt(replace(recipe.make(), data=data), facts)
    return replace(default, settings=fitted)


def allow_typed(tree: Any) -> None:
    """What was typed here and names code may be imported by the workers, which read it from a file."""
    if is_dataclass(tree):
        for field in fields(tree):
            allow_typed(getattr(tree, field.name))
    elif isinstance(tree, tuple):
        for item in tree:
            allow_typed(item)
    elif isinstance(tree, str) and not isinstance(tree, FromFile) and isinstance(from_file(tree), FromFile):
        allow(tree)
