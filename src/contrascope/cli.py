"""The command line: train, embed, evaluate, diagnose, advise, report, export, figure. No logic lives here.

What a command computes goes to stdout, what it says meanwhile to stderr.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tyro

from contrascope import records
from contrascope.cli_arguments import (
    AdviseArguments,
    DiagnoseArguments,
    EmbedArguments,
    EvaluateArguments,
    ExportArguments,
    FigureArguments,
    ReportArguments,
    TrainArguments,
)
from contrascope.errors import InputError, did_you_mean
from contrascope.methods.allowed import allow_typed
from contrascope.runs.recipes import RECIPES, find_recipe
from contrascope.runs.settings import RunSettings
from contrascope.settings import from_json

USAGE = """usage: contrascope COMMAND ...

  train RECIPE [--path.to.setting value]    train an encoder; the recipes are below
  train RUN --resume                        go on with a run that was stopped
  embed RUN_OR_ENCODER DATA --out FILE      write h, z and labels to a file
  evaluate RUN_OR_ENCODER_OR_FILE DATA      kNN, linear and few-label accuracy beside its references
  evaluate RUN --suite augmented|transfer   on transformed and corrupted images, or on other sets
  diagnose RUN_OR_ENCODER_OR_FILE [DATA]    does it work, and why? without labels
  advise DATA --budget 10m                  which augmentation for these images? writes a policy file
  report RUN...                             one HTML page of a run, or a comparison of several
  export RUN --to FORMAT                    embeddings as parquet or csv; the encoder for timm, hf, onnx
  figure RUN... NAME --out FILE             one figure of one run or several, as SVG, PDF or PNG

Each command explains its settings: contrascope train digits-simclr --help

recipes:
"""
CONFIG = (tyro.conf.AvoidSubcommands,)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 for a wrong input, 3 for a broken run, 128 + signal when stopped."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], int | None]] = {
        "train": _train,
        "embed": _embed,
        "evaluate": _evaluate,
        "diagnose": _diagnose,
        "advise": _advise,
        "report": _report,
        "export": _export,
        "figure": _figure,
    }
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            sys.stdout.write(_usage())
        elif words[0] == "--version":
            from contrascope import __version__

            sys.stdout.write(f"contrascope {__version__}\n")
        elif words[0] in commands:
            allow_typed(words)
            return commands[words[0]](words[1:]) or 0
        else:
            raise InputError(f"there is no command {words[0]!r}. {did_you_mean(words[0], commands)}")
    except InputError as error:
        sys.stderr.write(f"contrascope: {error}\n")
        return 2
    return 0


def _usage() -> str:
    width = max(map(len, RECIPES))
    return USAGE + "".join(f"  {name:<{width}}  {recipe.summary}\n" for name, recipe in RECIPES.items())


def _train(words: list[str]) -> None:
    if not words or words[0].startswith("-"):
        if set(words) & {"-h", "--help"}:
            sys.stdout.write(_usage())
            return
        raise InputError(
            "train needs a recipe or a run's folder first; contrascope --help lists the recipes."
        )
    name, rest = words[0], words[1:]
    defaults = _defaults(name, rest)
    parsed = tyro.cli(
        TrainArguments, args=rest, default=defaults, prog=f"contrascope train {name}", config=CONFIG
    )
    from contrascope.augment.policy_file import in_place_of
    from contrascope.jobs.train import train
    from contrascope.terminal.tables import show_run, show_settings
    from contrascope.training.interrupt import Interrupted, StoppedError
    from contrascope.training.watch import NonFiniteLossError

    settings = replace(parsed.settings, policy=in_place_of(parsed.settings.policy, parsed.policy))
    if parsed.probe == "geometry":
        settings = replace(settings, geometry=settings.geometry.followed())
    if parsed.print_settings:
        sys.stdout.write(show_settings(settings))
        return
    out = parsed.out or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    sys.stderr.write(show_settings(settings, brief=True))
    try:
        rows = train(settings, out, resume=parsed.resume)
    except Interrupted as stopped:
        sys.stderr.write(f"\ncontrascope: {stopped}\n")
        raise
    except StoppedError as alarmed:
        sys.stderr.write(f"contrascope: {alarmed} Look at it: contrascope diagnose {out}\n")
        raise SystemExit(3) from None
    except NonFiniteLossError as diverged:
        sys.stderr.write(f"contrascope: {diverged}\n")
        raise SystemExit(1) from None
    sys.stdout.write(show_run(rows, out))


def _defaults(name: str, rest: list[str]) -> TrainArguments:
    """The recipe's settings, fitted to the data if the recipe does so, or those of an earlier run."""
    folder = Path(name)
    if name not in RECIPES and (folder / records.SETTINGS).is_file():
        settings = from_json(RunSettings, records.read_json(folder / records.SETTINGS))
        return TrainArguments(settings=settings, out=folder)
    recipe = find_recipe(name)
    defaults = TrainArguments(settings=recipe.make())
    if recipe.adapt is None or set(rest) & {"-h", "--help"}:
        return defaults
    from contrascope.runs.facts import look

    data = tyro.cli(
        TrainArguments, args=rest, default=defaults, prog=f"contrascope train {name}", config=CONFIG
    )
    fitted = recipe.adapt(replace(defaults.settings, data=data.settings.data), look(data.settings.data))
    return TrainArguments(settings=fitted)


def _embed(words: list[str]) -> None:
    parsed = tyro.cli(EmbedArguments, args=words, prog="contrascope embed", config=CONFIG)
    from contrascope.jobs.embed import embed_to_file

    where = embed_to_file(parsed.encoder, replace(parsed.data, source=parsed.source), parsed.out)
    sys.stdout.write(f"{where}\n")


def _evaluate(words: list[str]) -> None:
    parsed = tyro.cli(EvaluateArguments, args=words, prog="contrascope evaluate", config=CONFIG)
    if parsed.suite is not None:
        from contrascope.suites.run import evaluate_suite
        from contrascope.terminal.suites import show_suite

        try:
            record = evaluate_suite(
                parsed.suite,
                parsed.encoder,
                parsed.data,
                source=parsed.source,
                sets=parsed.sets,
                protocol=parsed.protocol,
                augmented=parsed.augmented,
                transfer=parsed.transfer,
                out=parsed.out,
            )
        except KeyboardInterrupt:
            sys.stderr.write("contrascope: stopped; the same command goes on from here.\n")
            raise SystemExit(130) from None
        sys.stdout.write(show_suite(record, as_json=parsed.json))
        return
    from contrascope.jobs.evaluate import evaluate_anything
    from contrascope.terminal.tables import show_json, show_table

    if parsed.source is None:
        raise InputError("evaluate needs the images (or a second file of features) as its second argument.")
    rows = evaluate_anything(parsed.encoder, parsed.source, parsed.data, parsed.protocol)
    sys.stdout.write(show_json(rows) if parsed.json else show_table(rows))


def _diagnose(words: list[str]) -> int:
    parsed = tyro.cli(DiagnoseArguments, args=words, prog="contrascope diagnose", config=CONFIG)
    from contrascope.subjects.diagnose import diagnose_anything, write_diagnosis
    from contrascope.terminal.diagnosis import show_diagnosis

    if parsed.geometry:
        return _diagnose_geometry(parsed)
    found = diagnose_anything(parsed.thing, **_subject(parsed), settings=parsed.diagnosis)
    out = _out_or_run(parsed)
    written = None if out is None else write_diagnosis(found, parsed.diagnosis, out)
    sys.stdout.write(show_diagnosis(found, written, as_json=parsed.json))
    return 0 if found.diagnosis.verdict.ok else 3


def _diagnose_geometry(parsed: DiagnoseArguments) -> int:
    from contrascope.subjects.geometry import measure_anything, write_geometry
    from contrascope.terminal.geometry import show_geometry

    found = measure_anything(parsed.thing, **_subject(parsed), settings=parsed.of_geometry)
    out = _out_or_run(parsed)
    written = None if out is None else write_geometry(found, parsed.of_geometry, out)
    sys.stdout.write(show_geometry(found, written, as_json=parsed.json))
    return 0


def _subject(parsed: DiagnoseArguments) -> dict[str, Any]:
    """What is diagnosed, as the two kinds of diagnosis take it."""
    from contrascope.augment.policy_file import named_policy

    return {
        "data": None if parsed.source is None else replace(parsed.data, source=parsed.source),
        "policy": None if parsed.policy is None else named_policy(parsed.policy, strength=parsed.strength),
        "labels": parsed.labels,
        "step": parsed.step,
    }


def _out_or_run(parsed: DiagnoseArguments) -> Path | None:
    """Where the numbers go: --out, or the run's folder."""
    folder = Path(parsed.thing).expanduser()
    return parsed.out or (folder if folder.is_dir() else None)


def _advise(words: list[str]) -> None:
    parsed = tyro.cli(AdviseArguments, args=words, prog="contrascope advise", config=CONFIG)
    from contrascope.advice.advise import advise
    from contrascope.advice.settings import seconds_of
    from contrascope.terminal.advice import show_advice

    try:
        advice = advise(
            replace(parsed.data, source=parsed.source),
            labels=parsed.labels,
            budget=seconds_of(parsed.budget),
            base=parsed.base,
            out=parsed.out,
            settings=parsed.settings,
        )
    except KeyboardInterrupt:
        sys.stderr.write("contrascope: stopped; what is measured is kept, and the same command goes on.\n")
        raise SystemExit(130) from None
    sys.stdout.write(show_advice(advice, as_json=parsed.json))


def _report(words: list[str]) -> None:
    parsed = tyro.cli(ReportArguments, args=words, prog="contrascope report", config=CONFIG)
    runs = [run.expanduser() for run in parsed.runs]
    if len(runs) == 1 and (parsed.gallery or parsed.diagnosis):
        from contrascope.gallery.complete import complete

        for said in complete(
            runs[0], gallery=parsed.gallery, diagnosis=parsed.diagnosis, points=parsed.points
        ):
            sys.stderr.write(f"{said}\n")
    from contrascope.reports.page import write_report

    out = parsed.out or (runs[0] / "report.html" if len(runs) == 1 else Path("comparison.html"))
    sys.stdout.write(f"{write_report(runs, out)}\n")


def _export(words: list[str]) -> None:
    parsed = tyro.cli(ExportArguments, args=words, prog="contrascope export", config=CONFIG)
    from contrascope.jobs.export import ExportSettings, export_run

    settings = ExportSettings(
        to=parsed.to, step=parsed.step, split=parsed.split, neighbours=parsed.neighbours
    )
    found = export_run(parsed.run.expanduser(), settings, out=parsed.out)
    for said in found.notes:
        sys.stderr.write(f"{said}\n")
    sys.stdout.write(f"{found.path}\n")


def _figure(words: list[str]) -> None:
    parsed = tyro.cli(FigureArguments, args=words, prog="contrascope figure", config=CONFIG)
    from contrascope.reports.static import write_figure

    *runs, name = parsed.words or ("",)
    folders = [Path(run).expanduser() for run in runs]
    sys.stdout.write(f"{write_figure(folders, name, parsed.out, width=parsed.width)}\n")


if __name__ == "__main__":
    raise SystemExit(main())
