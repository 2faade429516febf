r"""Every method on one yard-stick: CIFAR-10, a small encoder, a recipe of at most twelve minutes of two cores.

    python benchmarks/yard_stick.py --data ../shared/data/cifar10-jpeg --runs runs/methods
    python benchmarks/yard_stick.py --data ../shared/data/cifar10-jpeg --runs runs/tries --try swav --share 0.3 \
        --change method.epsilon=0.05 --change optim.name='"muon"'

The first command trains the recipe `cifar10-METHOD-cpu` of every method, the last epoch counts, and measures encoder
and random twin on the test split: kNN, linear probe, five labels a class, the answers of the diagnosis with alignment,
largest cosine of two class centres and effective rank, and the mean accuracy on six transformed copies. A process a
run, resumable; what is finished is read. Nothing may be chosen by these numbers.

`--try` is what settings are chosen by: a share of the recipe's epochs on 45,000 training images, encoder and twin asked
on the other 5,000.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from record import held_out_ids, opened, part_of, processor_minutes

from contrascope import records
from contrascope.data.imageset import InMemoryImages
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import DiagnosisSettings, MonitorSettings
from contrascope.evaluation.evaluate import compare
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings
from contrascope.features.embed import embed
from contrascope.jobs.train import train
from contrascope.progress import unheard
from contrascope.records.suites import AugmentedRecord
from contrascope.runs.here import recipe_here
from contrascope.runs.load import Run, load_run, random_twin_of
from contrascope.runs.recipes import CPU_METHODS, PLAIN_LOSSES
from contrascope.runs.settings import RunSettings
from contrascope.settings import from_json, to_json
from contrascope.subjects.diagnose import diagnose_subject
from contrascope.subjects.open import open_subject
from contrascope.suites.run import evaluate_suite

THREADS = 2
PROTOCOL = Protocol(
    probes=("knn", "linear", "few_labels"), shots=(5,), probe_grid=(1e-4, 1e-3, 1e-2, 1e-1, 1.0)
)
COPY_IMAGES = 5_000
"""Training images of the probes on transformed copies."""
TRAINED, TWIN = "trained", "twin"
NAMES = (*(name for name in CPU_METHODS if name != "plain"), "plain", *PLAIN_LOSSES)


def recipe_of(name: str) -> str:
    return f"cifar10-{name}-cpu"


def changed(settings: RunSettings, changes: list[str]) -> RunSettings:
    """The settings with `a.b=VALUE` set, VALUE as JSON."""
    data = to_json(settings)
    for change in changes:
        path, _, value = change.partition("=")
        place, *keys = data, *path.split(".")
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = json.loads(value)
    return from_json(RunSettings, data)


def quiet(settings: RunSettings, *, seed: int, threads: int) -> RunSettings:
    training = replace(settings.training, seed=seed, threads=threads)
    return replace(settings, training=training, monitor=MonitorSettings(times=0))


def scores(run: Run, learn: InMemoryImages, asked: InMemoryImages) -> dict[str, float]:
    """Accuracies in % of the run's encoder and of its random twin."""
    networks = {TRAINED: run.encoder, TWIN: random_twin_of(run).encoder}
    pairs = {
        of: (embed(network, None, learn), embed(network, None, asked)) for of, network in networks.items()
    }
    rows = compare(pairs, PROTOCOL)
    return {f"{row['of']}.{row['name']}": 100 * float(row["value"] or 0) for row in rows}


def answers(folder: Path, images: InMemoryImages) -> dict[str, Any]:
    """The diagnosis of the finished run on labelled images: words and main numbers."""
    found = diagnose_subject(
        open_subject(folder, data=images, labels="label"), settings=DiagnosisSettings()
    ).diagnosis
    verdict, h = found.verdict, found.signals.h
    assert h is not None
    assert h.views is not None
    return {
        "sound": str(verdict.sound),
        "learning": str(verdict.learning),
        "useful": str(verdict.useful),
        "alignment": h.views.alignment.value,
        "max_cosine": found.factors["h label"].max_cosine.value,
        "rank": h.effective_rank,
    }


def six_copies(folder: Path, data: DataSettings) -> float:
    """Mean accuracy in % over six transformed copies, each with its own probe."""
    asked = AugmentedSettings(corruptions=(), references=False, train_images=COPY_IMAGES)
    out = folder / "evaluation-augmented.json"
    record = evaluate_suite(
        "augmented", folder, data, source=data, protocol=PROTOCOL, augmented=asked, out=out, say=unheard
    )
    assert isinstance(record, AugmentedRecord)
    own = [float(row.accuracy or 0) for row in record.rows if row.probe == "own"]
    return 100 * statistics.mean(own)


def train_quietly(settings: RunSettings, images: InMemoryImages, out: Path, *, labelled: bool) -> Run:
    """Trains without labels, unless the method asks for them, and without the table that training ends with."""
    if not labelled:
        images = part_of(images, torch.arange(len(images)), labelled=False)
        settings = replace(settings, data=replace(settings.data, labels=None))
    train(settings, out, images=images, resume=out.exists())
    return load_run(out)


def asks_labels(name: str) -> bool:
    return name in CPU_METHODS and CPU_METHODS[name].supervised


def yard_stick(options: argparse.Namespace, name: str, seed: int, out: Path) -> dict[str, Any]:
    settings = quiet(recipe_here(recipe_of(name)), seed=seed, threads=THREADS)
    learn, asked = opened(options.data, "train"), opened(options.data, "test")
    run = train_quietly(settings, learn, out, labelled=asks_labels(name))
    minutes = processor_minutes()
    data = replace(settings.data, source=str(options.data))
    found = scores(run, learn, asked) | answers(out, learn) | {"copies": six_copies(out, data)}
    return {**found, "epochs": settings.training.epochs, "training_minutes": minutes}


def one_try(options: argparse.Namespace, name: str, seed: int, out: Path) -> dict[str, Any]:
    whole = opened(options.data, "train")
    learn, asked = (part_of(whole, ids) for ids in held_out_ids(whole))
    settings = quiet(recipe_here(recipe_of(name)), seed=seed, threads=options.threads)
    settings = changed(settings, options.change)
    epochs = max(1, round(settings.training.epochs * options.share))
    settings = replace(settings, training=replace(settings.training, epochs=epochs))
    run = train_quietly(settings, learn, out, labelled=asks_labels(name))
    minutes = processor_minutes()
    found = scores(run, learn, asked)
    return {**found, "epochs": epochs, "changes": options.change, "training_minutes": minutes}


def folder_of(options: argparse.Namespace, name: str, seed: int) -> Path:
    """A run's folder: of a try named by what it changes."""
    marks = [name, f"seed{seed}"]
    if options.tried:
        marks = [name, f"share{options.share:g}", *options.change, f"seed{seed}"]
    return options.runs / "-".join(re.sub(r"[^\w.=]", "", mark) for mark in marks)


def numbers_file(out: Path) -> Path:
    """Where the numbers of the run in this folder stand."""
    return out.with_name(out.name + ".json")


def numbers_of(out: Path, name: str, seed: int, *, threads: int) -> dict[str, Any]:
    """The numbers of a run: read, or found by a process of its own, this program with `--one NAME --one-seed SEED`."""
    if not numbers_file(out).exists():
        words = [sys.executable, *sys.argv, "--one", name, "--one-seed", str(seed)]
        told = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(words, check=True, env=told, stdout=sys.stderr)
    return json.loads(numbers_file(out).read_text())


def one(options: argparse.Namespace) -> None:
    """What a process of its own does, and writes."""
    out = folder_of(options, options.one, options.one_seed)
    job = one_try if options.tried else yard_stick
    numbers = job(options, options.one, options.one_seed, out)
    numbers |= {
        "seed": options.one_seed,
        "processor_minutes": processor_minutes(),
        "precision": recipe_here(recipe_of(options.one)).training.precision,
        "torch": torch.__version__,
    }
    records.write_json(numbers_file(out), numbers)


HEAD = {
    "trained.knn": "kNN",
    "twin.knn": "twin",
    "trained.linear": "linear",
    "twin.linear": "twin",
    "trained.few_labels_5": "5 labels",
    "sound": "sound",
    "learning": "learning",
    "useful": "useful",
    "alignment": "alignment",
    "max_cosine": "largest cosine",
    "rank": "effective rank",
    "copies": "six copies",
    "epochs": "epochs",
    "training_minutes": "minutes of training",
}


def cell(values: list[Any]) -> str:
    """A word, or the mean of numbers with their standard deviation where there are several."""
    if isinstance(values[0], str):
        return " / ".join(dict.fromkeys(values))
    digits = 2 if max(map(abs, values)) < 5 else 1
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def table(done: dict[str, list[dict[str, Any]]]) -> None:
    keys = [key for key in HEAD if any(key in runs[0] for runs in done.values())]
    print("\n| method | " + " | ".join(HEAD[key] for key in keys) + " |")
    print("| --- " * (len(keys) + 1) + "|")
    for name, runs in done.items():
        cells = [cell([run[key] for run in runs]) for key in keys]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def figure(done: dict[str, list[dict[str, Any]]], out: Path) -> None:
    """Alignment against the largest cosine of two class centres, a point a method, larger where kNN is."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7, 5), layout="constrained")
    axes = drawn.subplots()
    for name, runs in done.items():
        x, y, knn = (
            statistics.mean(run[key] for run in runs) for key in ("alignment", "max_cosine", "trained.knn")
        )
        axes.scatter(x, y, s=3 * knn, alpha=0.7)
        axes.annotate(f"{name} {knn:.0f}", (x, y), xytext=(5, 3), textcoords="offset points", fontsize=8)
    axes.set_xlabel("alignment of h under the method's own views (0 to 4, less is nearer)")
    axes.set_ylabel("largest cosine of two class centres (less is farther apart)")
    drawn.savefig(out)


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="CIFAR-10 as the hub has it, or its name there"
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder of runs; finished ones are read")
    parser.add_argument("--only", nargs="*", choices=NAMES, metavar="METHOD", help="these methods")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--try", dest="tried", choices=NAMES, metavar="METHOD", help="a shorter run")
    parser.add_argument("--share", type=float, default=1.0, help="of the recipe's epochs, for --try")
    parser.add_argument(
        "--change", action="append", default=[], metavar="A.B=JSON", help="a setting, for --try"
    )
    parser.add_argument("--threads", type=int, default=THREADS, help="of a try")
    parser.add_argument(
        "--figure", type=Path, help="where alignment against divergence is drawn, .svg or .png"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--one-seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = asked()
    options.runs.mkdir(parents=True, exist_ok=True)
    if options.one:
        one(options)
        return
    done: dict[str, list[dict[str, Any]]] = {}
    threads = options.threads if options.tried else THREADS
    for seed in options.seeds:
        for name in [options.tried] if options.tried else options.only or NAMES:
            out = folder_of(options, name, seed)
            done.setdefault(name, []).append(numbers_of(out, name, seed, threads=threads))
            table(done)
    if options.figure and not options.tried:
        figure(done, options.figure)


if __name__ == "__main__":
    main()
