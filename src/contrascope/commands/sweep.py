"""contrascope sweep: a recipe with every combination of some values, each a run of its own."""

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from contrascope import records
from contrascope.commands.command import CONFIG, DONE, WRONG_INPUT, Command, Start
from contrascope.commands.engine import TrialArguments
from contrascope.commands.recipe import RecipeArguments, allow_methods, allow_typed, named, resolved_images
from contrascope.commands.train import new_folder
from contrascope.errors import InputError
from contrascope.records.sweeps import SweepRecord
from contrascope.runs.recipes import RECIPES
from contrascope.runs.settings import RunSettings
from contrascope.terminal.help import shown
from contrascope.terminal.progress import CommandProgress

if TYPE_CHECKING:
    from contrascope.sweeps.grid import Axis, Grid

PAGE = "comparison.html"
"""The comparison page in a sweep's folder."""
FITTED = ("--data.", "--method")
"""Flags to which a recipe fits the others."""


@dataclass(frozen=True, kw_only=True)
class SweepArguments(TrialArguments, RecipeArguments):
    """Train a recipe with every combination of some values, each a run of its own, and compare them over seeds.

    A trial is what `contrascope train` makes of the same flags. All settings of one seed come before the next seed.
    Asked again with the same --out, or by the sweep's folder, a sweep goes on; values may be added to it.
    """

    words: tyro.conf.Suppress[tyro.conf.Fixed[tuple[str, ...]]] = ()
    """All words of this call."""
    grid: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting and its values, PATH=VALUE,VALUE; once for each setting. `training.seed` gives the seeds."""
    out: Path | None = None
    """Folder of the sweep; unset: runs/sweep-NAME-DATE-TIME."""
    halving: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Leave half of the settings at a half, a quarter and an eighth of the epochs; test images choose nothing."""
    restarts: int = 3
    """How often a trial whose worker was killed is started again."""
    json: bool = False
    """Print every number as JSON."""


def start(words: list[str], *, helping: bool) -> Start:
    """The settings that the first word names; the folder of a sweep has its own."""
    if not words or words[0].startswith("-"):
        if helping:
            return Start(rest=words, default=SweepArguments(settings=RunSettings()))
        raise InputError("sweep needs a recipe, a file of settings or a sweep's folder first.")
    name, rest = words[0], words[1:]
    folder = Path(name).expanduser()
    if name not in RECIPES and folder.is_dir():
        if (folder / SweepRecord.FILE).exists():
            default = SweepArguments(settings=RunSettings(), out=folder, words=tuple(words))
            return Start(rest=rest, default=default, name=name)
        what = "a run, and no sweep" if (folder / records.SETTINGS).exists() else "no sweep"
        raise InputError(
            f"{name} is the folder of {what}. A sweep starts from a recipe or a file of settings, such as "
            f"{folder / records.SETTINGS}."
        )
    allow_methods(rest)
    default = named(SweepArguments, name, rest, helping=helping)
    return Start(rest=rest, default=replace(default, words=tuple(words)), name=name)


def run(parsed: SweepArguments, progress: CommandProgress) -> int:
    """Run all trials, print the table, and write the comparison page."""
    from contrascope.machine.device import find_device
    from contrascope.sweeps.run import failed, finished, sweep
    from contrascope.terminal.sweeps import show_sweep
    from contrascope.verbs import report

    find_device(parsed.device)
    grid, halving = asked(parsed)
    for trial in grid.trials:
        allow_typed(trial.settings)
    out = parsed.out.expanduser() if parsed.out else new_folder(f"sweep-{parsed.name}")
    try:
        with contextlib.ExitStack() as held:
            engine = parsed.engine_for(out, held)
            progress.say(_plan(grid, parsed.jobs, engine.threads))
            options: dict[str, Any] = {
                "jobs": parsed.jobs,
                "restarts": parsed.restarts,
                "device": parsed.device,
            }
            record = sweep(grid, out, engine=engine, halving=halving, say=progress.say, **options)
    except KeyboardInterrupt as stop:
        raise _goes_on(stop, out, parsed) from None
    finally:
        if parsed.out is None:
            with contextlib.suppress(OSError):
                out.rmdir()  # what ended before it began leaves no empty folder
    done = finished(record, out)
    page = report(done, out / PAGE) if len(done) > 1 else None
    sys.stdout.write(show_sweep(record, out, page=page, as_json=parsed.json))
    lost = failed(record)
    for one in lost:
        sys.stderr.write(f"contrascope: {one.name}: {one.state}: {one.why}\n")
    return WRONG_INPUT if lost else DONE


def asked(parsed: SweepArguments) -> "tuple[Grid, bool]":
    """The grid of this call, joined with that of the sweep that is there, and whether it halves."""
    from contrascope.sweeps.grid import grown, make_grid, read_axes
    from contrascope.sweeps.kept import axes_of, grid_of, is_sweep, recorded

    name, *rest = parsed.words
    there = None if parsed.out is None else parsed.out.expanduser()
    folder = Path(name).expanduser()
    if name not in RECIPES and is_sweep(folder):
        record = recorded(folder)
        _check_as_it_is(parsed, folder)
        return grid_of(record), _halves(record)
    axes = read_axes(parsed.grid)
    _check_flags(axes, rest)
    base = resolved_images(parsed)
    parse = _Parser(parsed, name, rest)
    grid = make_grid(axes, base, parse)
    if there is not None and is_sweep(there):
        more = grown(axes_of(recorded(there)), grid.axes)
        grid = grid if more == grid.axes else make_grid(more, base, parse)
    return grid, parsed.halving


def _halves(record: SweepRecord) -> bool:
    return record.request is not None and record.request.settings.get("halving") is True


def _check_as_it_is(parsed: SweepArguments, folder: Path) -> None:
    """Refuses flags that would change a sweep that goes on by its folder."""
    if parsed.grid or parsed.halving or resolved_images(parsed) != RunSettings() or parsed.out != folder:
        raise InputError(
            f"the sweep in {parsed.words[0]} has its settings and its grid. Leave the flags for them out, or add "
            f"values with the command that began it and --out {parsed.words[0]}."
        )


class _Parser:
    """Settings of more flags on top of this call's, by the parser of the command line."""

    def __init__(self, parsed: SweepArguments, name: str, rest: list[str]) -> None:
        self._name, self._rest = name, rest
        self._fitted: dict[tuple[str, ...], SweepArguments] = {}

    def __call__(self, more: Sequence[str]) -> RunSettings:
        words = [*self._rest, *more]
        fits = tuple(word for word in more if word.startswith(FITTED))
        if fits not in self._fitted:  # a recipe may have to open the images for it
            allow_methods(words)
            self._fitted[fits] = named(SweepArguments, self._name, words, helping=False)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                default = self._fitted[fits]
                parsed = tyro.cli(SweepArguments, args=words, default=default, prog="x", config=CONFIG)
            except SystemExit:
                values = " ".join(more).replace("--", "")
                from contrascope.sweeps.grid import expected

                sentence = _sentence(said.getvalue())
                kind = (
                    ""
                    if "xpected" in sentence
                    else expected(resolved_images(self._fitted[fits]), _path(more))
                )
                raise InputError(f"--grid {values}: {f'expected {kind}.' if kind else sentence}") from None
        return resolved_images(parsed)


def _path(more: Sequence[str]) -> str:
    """The path of the first of these flags; where a value is wrong, there is one."""
    return more[0].lstrip("-").partition("=")[0].replace("-", "_") if more else ""


def _sentence(box: str) -> str:
    """What the parser says, without the frame and the help around it."""
    lines = [line.strip("│ ").strip() for line in box.splitlines()[1:]]
    kept = []
    for line in lines:
        if set(line) <= set("─╰╯ "):
            break
        kept.append(line)
    return re.sub(r"^Error parsing [^:]*: ", "", " ".join(kept)) or "no value of this setting"


def _check_flags(axes: "Sequence[Axis]", words: Sequence[str]) -> None:
    """Refuses a setting that is in the grid and set by a flag too."""
    typed = {word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--")}
    for axis in axes:
        group, _, last = axis.path.replace("_", "-").rpartition(".")
        for flag in (f"--{axis.path.replace('_', '-')}", f"--{group}.no-{last}"):
            if flag in typed:
                raise InputError(f"{axis.path} is in --grid and set by {flag}. Leave one of them out.")


def _plan(grid: "Grid", jobs: int, threads: int) -> str:
    one = "thread" if threads == 1 else "threads"
    return f"{len(grid.trials)} trials, {jobs} at a time with {threads} {one} each"


def _goes_on(stop: KeyboardInterrupt, out: Path, parsed: SweepArguments) -> KeyboardInterrupt:
    """The same stop; where a sweep has begun, it says how that goes on."""
    if not (out / SweepRecord.FILE).is_file():
        return stop
    engine = "" if parsed.engine == "local" else f" --engine {parsed.engine}"
    return type(stop)(f"What the trials have saved stays; go on with: contrascope sweep {out}{engine}")


COMMAND = Command(
    name="sweep",
    group="train",
    words="RECIPE|SETTINGS.json|SWEEP",
    summary="a recipe with every combination of some values, compared over seeds; SWEEP goes on",
    arguments=SweepArguments,
    run=run,
    start=start,
    shown=(
        shown("--grid", "PATH=VALUE,VALUE; once for each setting, training.seed gives the seeds", "required"),
        shown("--out", "folder of the sweep", "runs/sweep-NAME-DATE-TIME"),
        shown("--jobs", "trials at a time; the cores are divided among them"),
        shown("--halving", "leave the worse half of the settings early; test images choose nothing"),
        shown("--engine", "local: processes of this machine; slurm: jobs of Slurm; ray: a Ray cluster"),
        shown(
            "--slurm", "KEY=VALUE of the jobs: partition=gpu, timeout_min=120, ...", "one core and an hour"
        ),
        shown("--training.epochs", "any setting of the recipe, for all trials"),
        shown("--data.source", "the images: a folder, an array file, a name on the hub, digits, ..."),
        shown("--json", "print every number as JSON"),
        shown("--device", "cpu, cuda, cuda:1 or mps", "the first GPU, or the CPU"),
    ),
    examples=(
        "contrascope sweep digits-simclr --grid method.temperature=0.1,0.2,0.5 --grid training.seed=0,1,2",
        "contrascope sweep folder-simclr --data.source ~/photos --grid optim.lr=1e-3,2e-3 --jobs 2",
        "contrascope sweep runs/sweep-digits-simclr-20261127-120000",
    ),
    stopped="Nothing was begun.",
)
