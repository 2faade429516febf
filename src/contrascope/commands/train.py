"""contrascope train: an encoder by a recipe, a file of settings, or a run that goes on."""

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from contrascope import records
from contrascope.commands.command import BROKEN, DIVERGED, DONE, LOST, Command, Start
from contrascope.commands.ended import EndedError
from contrascope.commands.engine import EngineArguments
from contrascope.commands.recipe import (
    RecipeArguments,
    allow_methods,
    allow_typed,
    named,
    resolved,
    with_method,
)
from contrascope.commands.settings_file import read_settings
from contrascope.errors import InputError
from contrascope.methods.settings import every_method
from contrascope.runs.recipes import FAMILIES, RECIPES
from contrascope.runs.settings import RunSettings
from contrascope.runs.text_recipes import TEXT_FAMILIES, TEXT_RECIPES
from contrascope.runs.text_settings import AnyRunSettings, TextRunSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress

RUNS = Path("runs")
"""Where runs without --out go."""
MORE = "Each recipe has its own defaults; contrascope train RECIPE --help shows them.\n\nrecipes:\n"


@dataclass(frozen=True, kw_only=True)
class TrainArguments(EngineArguments, RecipeArguments):
    """Train a self-supervised encoder; every setting of the recipe can be changed."""

    out: Path | None = None
    """Folder of the run; unset: runs/NAME-DATE-TIME."""
    resume: bool = False
    """Go on with the run in --out from its newest checkpoint."""
    restarts: int = 3
    """How often the workers of the engine ray are started again where one is killed."""
    print_settings: bool = False
    """Print every resolved setting as JSON and stop; `contrascope train FILE` runs what was printed."""


def start(words: list[str], *, helping: bool) -> Start:
    """The settings that the first word names, with the method of --method; where helping, also without a word."""
    if not words or words[0].startswith("-"):
        if helping:
            more = "".join([MORE, *(f"  {line}\n" for line in recipe_lines())])
            return Start(rest=words, default=TrainArguments(settings=RunSettings()), more=more)
        raise InputError(
            "train needs a recipe, a file of settings or a run's folder first; contrascope --help lists the recipes."
        )
    name, rest = words[0], words[1:]
    allow_methods(rest)
    if name in TEXT_RECIPES:
        made = TrainArguments(settings=TEXT_RECIPES[name].make(), name=name)
        return Start(rest=rest, default=with_method(made, rest), name=name)
    folder = Path(name).expanduser()
    if name not in RECIPES and (folder / records.SETTINGS).is_file():
        settings = read_settings(records.inside(folder, records.SETTINGS))
        default = with_method(TrainArguments(settings=settings, out=folder), rest)
    else:
        default = named(TrainArguments, name, rest, helping=helping)
    return Start(rest=rest, default=default, name=name)


def run(parsed: TrainArguments, progress: CommandProgress) -> int:
    """Train, and print the table, what it means, and the monitor's answers."""
    from contrascope.jobs.train import train
    from contrascope.machine.device import find_device
    from contrascope.terminal.closing import closing_lines
    from contrascope.terminal.tables import show_run, show_settings, show_text_run
    from contrascope.training.interrupt import StoppedError
    from contrascope.training.together import ProcessLostError
    from contrascope.training.watch import NonFiniteLossError

    settings = resolved(parsed)
    if parsed.print_settings:
        sys.stdout.write(show_settings(settings))
        return DONE
    on_ray = parsed.on_ray(parsed.device)
    device, first = find_device(parsed.device), os.environ.get("RANK", "0") == "0"
    if first:
        sys.stderr.write(show_settings(settings, brief=True))
    out = parsed.out or new_folder(parsed.name)
    try:
        count = progress.counter("images embedded")
        if on_ray:
            _on_ray(parsed, settings, out, progress)
        done = parsed.resume or on_ray  # what Ray's workers have finished is read
        rows = train(settings, out, resume=done, device=device, progress=count)
    except StoppedError as alarmed:
        raise EndedError(BROKEN, f"{alarmed} Look at it: contrascope diagnose {out}") from None
    except NonFiniteLossError as diverged:
        raise EndedError(DIVERGED, str(diverged)) from None
    except ProcessLostError as lost:
        raise EndedError(LOST, str(lost)) from None
    except KeyboardInterrupt as stop:
        raise _with_folder(stop, out, parsed.again) from None
    finally:
        if parsed.out is None:
            with contextlib.suppress(OSError):
                out.rmdir()  # what ended before it began leaves no empty folder
    if first:
        told = (
            show_text_run(out)
            if isinstance(settings, TextRunSettings)
            else show_run(rows, out) + closing_lines(out)
        )
        sys.stdout.write(told)
    return DONE


def _on_ray(parsed: TrainArguments, settings: AnyRunSettings, out: Path, progress: CommandProgress) -> None:
    """Trains by Ray's workers, and ends as they did where that was not the end of the training."""
    if isinstance(settings, TextRunSettings):
        raise InputError("--engine ray trains on images; expected none for a run on sentences. Leave it out.")
    from contrascope.jobs.train_ray import train_on_ray
    from contrascope.records.sweeps import ALARMED
    from contrascope.records.sweeps import DIVERGED as NO_NUMBER

    allow_typed(settings)
    state, why = train_on_ray(
        settings,
        out,
        parsed.ray_settings(),
        workers=parsed.workers,
        restarts=parsed.restarts,
        resume=parsed.resume,
        progress=progress.counter("steps"),
    )
    if state == ALARMED:
        raise EndedError(BROKEN, f"{why} Look at it: contrascope diagnose {out}")
    if state == NO_NUMBER:
        raise EndedError(DIVERGED, why)


def new_folder(name: str) -> Path:
    """A new folder runs/NAME-DATE-TIME; of several runs that begin in one second each has its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("several processes train in one folder: name it with --out.")
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    number, folder = 1, RUNS / stem
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
            folder = RUNS / f"{stem}-{number}"


def _with_folder(stop: KeyboardInterrupt, out: Path, engine: str) -> KeyboardInterrupt:
    """The same stop; where a run has begun, it says how that goes on."""
    if not (out / records.SETTINGS).is_file():
        return stop
    return type(stop)(f"What the run has saved stays; go on with: contrascope train {out} --resume{engine}")


def recipe_lines() -> list[str]:
    """Every recipe that stands alone with its summary, and a line for those that differ in their method alone."""
    recipes, families = {**RECIPES, **TEXT_RECIPES}, {**FAMILIES, **TEXT_FAMILIES}
    alone = {name: recipe.summary for name, recipe in recipes.items() if not recipe.family}
    width = max(map(len, (*alone, *families)))
    lines = [f"{name:<{width}}  {summary}" for name, summary in alone.items()]
    for family, summary in families.items():
        first, _, last = family.partition("METHOD")
        known = [
            name.removeprefix(first).removesuffix(last)
            for name, recipe in recipes.items()
            if recipe.family == family and name.startswith(first)
        ]
        labelled = {name.replace("_", "-") for name, info in every_method().items() if info.supervised}
        methods = ", ".join(f"{name} (supervised)" if name in labelled else name for name in known)
        lines.append(f"{family:<{width}}  {summary}; METHOD is one of")
        space = " " * (width + 4)
        lines += wrap(
            methods, width=100, initial_indent=space, subsequent_indent=space, break_on_hyphens=False
        )
    return lines


COMMAND = Command(
    name="train",
    group="train",
    words="RECIPE|SETTINGS.json|RUN",
    summary="train an encoder; RUN --resume goes on with a run that was stopped",
    arguments=TrainArguments,
    run=run,
    start=start,
    shown=(
        shown("--data.source", "the images: a folder, an array file, a name on the hub, digits, ..."),
        shown("--training.epochs", "passes over the images"),
        shown("--training.batch-size", "images of a step"),
        shown("--optim.lr", "peak learning rate"),
        shown("--method", "another method with its own defaults; --method.SETTING changes them"),
        shown("--encoder.name", "the network: convnet, resnet18, timm:NAME, package.module:Object, ..."),
        shown("--policy", "policy file that makes the views", "the recipe's policy"),
        shown("--out", "folder of the run", "runs/NAME-DATE-TIME"),
        shown("--resume", "go on with the run in --out, or with RUN"),
        shown("--engine", "local: this process; ray: --workers of a Ray cluster train together"),
        shown("--print-settings", "print all settings as JSON and stop; train FILE runs them"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope train folder-simclr --data.source ~/photos --training.epochs 100",
        "contrascope train cifar10-simclr-cpu --method vicreg --method.variance 10",
        "contrascope train my-settings.json --optim.lr 0.001",
        "contrascope train runs/my-run --resume",
    ),
)
