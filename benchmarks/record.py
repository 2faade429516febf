"""The best kNN accuracy on CIFAR-10 that twelve minutes of two cores buy without a label: ideas, and the record.

    python benchmarks/record.py --data ../shared/data/cifar10-jpeg --runs runs/record --seeds 10
    python benchmarks/record.py --data ../shared/data/cifar10-jpeg --runs runs/ideas --ideas --seeds 3

The record: the recipe `cifar10-simclr-cpu` on two threads, one process a seed, which opens the JPEGs, trains without
labels and, at the end, looks once at the test split: kNN accuracy (k 200, temperature 0.1) of the encoder's output.
Processor time is that of the whole process, from the interpreter's start to the number; a run may take 24 minutes of
it. On a shared machine a minute is worth more or less, so the number of epochs is fixed and the time is reported.

`--ideas` trains every idea at the cost of `--steps` steps of the recipe as it was, four epochs of as many of 45,000
training images as that makes, and looks at the other 5,000: nothing is chosen on the test split. A run a process, as
many at once as `--at-once`; finished ones are read. Prints a table after every run; RUNS/*.json has the numbers.
"""

import argparse
import concurrent.futures
import json
import math
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.data.imageset import ImageSet, InMemoryImages
from contrascope.data.open import open_images
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.evaluation.knn import KNNClassifier
from contrascope.features.embed import embed
from contrascope.jobs.train import train
from contrascope.methods.joint.plain_settings import PlainSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.runs.here import recipe_here
from contrascope.runs.load import load_run
from contrascope.runs.method_recipes import ADAMW, MUON
from contrascope.runs.settings import RunSettings
from contrascope.training.settings import ScheduleSettings

RECIPE, THREADS, MINUTES = "cifar10-simclr-cpu", 2, 24.0
HELD_OUT = 5_000
STUDENT = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""95 % points of Student's t for the mean of so many seeds."""
SMALL = 0.44
"""Cost of a step at 16 px over one at 24 px, measured in turns."""


def as_it_was(settings: RunSettings) -> RunSettings:
    """The recipe until version 0.1: AdamW, views of 24 px, 10 epochs."""
    return replace(
        settings,
        optim=ADAMW,
        schedule=ScheduleSettings(warmup_epochs=1.0),
        training=replace(settings.training, epochs=10),
    )


def muon(settings: RunSettings, rate: float = 0.1) -> RunSettings:
    return replace(as_it_was(settings), optim=replace(MUON, kernel_rate=rate))


def growing(settings: RunSettings, share: float = 0.5) -> RunSettings:
    return replace(settings, schedule=replace(settings.schedule, early_size=16, early_share=share))


def tempered(settings: RunSettings, temperature: float) -> RunSettings:
    return replace(settings, method=replace(settings.method, temperature=temperature))


def batches(settings: RunSettings, size: int) -> RunSettings:
    return replace(settings, training=replace(settings.training, batch_size=size))


def decoupled(settings: RunSettings) -> RunSettings:
    old = settings.method
    assert isinstance(old, SimCLRSettings)
    words = (f"temperature={old.temperature}",)
    return replace(
        settings, method=PlainSettings(loss="decoupled", loss_settings=words, projector=old.projector)
    )


IDEAS: dict[str, Callable[[RunSettings], RunSettings]] = {
    "as it was": as_it_was,
    "Muon, 0.05": lambda s: muon(s, 0.05),
    "Muon": muon,
    "Muon, 0.2": lambda s: muon(s, 0.2),
    "16 px for half": lambda s: growing(as_it_was(s)),
    "Muon, 16 px for half": lambda s: growing(muon(s)),
    "Muon, 16 px for three quarters": lambda s: growing(muon(s), 0.75),
    "AdamW at 4e-3": lambda s: replace(as_it_was(s), optim=replace(ADAMW, lr=4e-3)),
    "decoupled loss": lambda s: decoupled(as_it_was(s)),
    "temperature 0.2, Muon, 16 px for half": lambda s: tempered(growing(muon(s)), 0.2),
    "batch 128, Muon, 16 px for half": lambda s: batches(growing(muon(s, 0.07)), 128),
}
"""What an idea makes of the recipe as it was; all at equal cost."""


def cost(settings: RunSettings) -> float:
    """Of a step of 256 images, over one of the recipe as it was."""
    share = settings.schedule.early_share if settings.schedule.early_size else 0.0
    return 1 - share * (1 - SMALL)


def part_of(images: ImageSet, ids: torch.Tensor, *, labelled: bool = True) -> InMemoryImages:
    labels = {name: column[ids] for name, column in images.labels.items()} if labelled else None
    return InMemoryImages(images=images.gather(ids), labels=labels, name=images.name)


def held_out_ids(images: ImageSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Training images to learn from, and the others, by which everything is chosen: the same for all benchmarks."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(123))
    return order[HELD_OUT:], order[:HELD_OUT]


def processor_minutes() -> float:
    """Of this process, from the interpreter's start, over all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) / 60


def accuracy(settings: RunSettings, learn: InMemoryImages, asked: InMemoryImages, out: Path) -> float:
    """KNN accuracy in % on `asked` after training without labels on `learn`, in the folder `out`."""
    quiet = replace(settings, monitor=MonitorSettings(times=0), data=replace(settings.data, labels=None))
    train(quiet, out, images=part_of(learn, torch.arange(len(learn)), labelled=False), resume=out.exists())
    encoder = load_run(out).encoder
    h = [embed(encoder, None, images).h[0] for images in (learn, asked)]
    knn = KNNClassifier(k=settings.protocol.k, temperature=settings.protocol.temperature)
    return 100 * float(knn.fit(h[0], learn.y).score(h[1], asked.y))


def opened(data: Path, split: str) -> InMemoryImages:
    settings = replace(recipe_here(RECIPE).data, source=str(data), split=split)
    images = open_images(settings)
    return part_of(images, torch.arange(len(images)))


def one_record(options: argparse.Namespace, seed: int, out: Path) -> dict[str, Any]:
    settings = recipe_here(RECIPE)
    settings = replace(settings, training=replace(settings.training, seed=seed, threads=THREADS))
    knn = accuracy(settings, opened(options.data, "train"), opened(options.data, "test"), out)
    return {"knn": knn, "epochs": settings.training.epochs}


def one_idea(options: argparse.Namespace, name: str, seed: int, out: Path) -> dict[str, Any]:
    """The steps that the cost allows are made of whole epochs of a part of the images."""
    whole = opened(options.data, "train")
    kept, held = held_out_ids(whole)
    settings = IDEAS[name](recipe_here(RECIPE))
    batch = settings.training.batch_size
    images = options.steps * 256 / cost(settings)
    epochs = 4
    seen = kept[: batch * round(images / epochs / batch)]
    threads = max(1, THREADS // options.at_once)
    training = replace(settings.training, seed=seed, threads=threads, epochs=epochs)
    settings = replace(settings, training=training)
    learn, asked = part_of(whole, seen), part_of(whole, held)
    return {"knn": accuracy(settings, learn, asked, out), "images": len(seen) * epochs}


def run(options: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    """The numbers of a run: read, or found by a process of its own, whose processor time is counted whole."""
    out = options.runs / f"{name.replace(' ', '-').replace(',', '')}-seed{seed}"
    path = out.with_suffix(".json")
    if not path.exists():
        words = [sys.executable, __file__, "--data", str(options.data), "--runs", str(options.runs)]
        words += ["--one", name, "--first-seed", str(seed), "--steps", str(options.steps)]
        words += ["--at-once", str(options.at_once)]
        threads = str(max(1, THREADS // options.at_once))
        subprocess.run(
            words, check=True, env=os.environ | {"OMP_NUM_THREADS": threads}, stdout=subprocess.DEVNULL
        )
    return json.loads(path.read_text())


def one(options: argparse.Namespace) -> None:
    """What a process of its own does, and writes."""
    seed, name = options.first_seed, options.one
    out = options.runs / f"{name.replace(' ', '-').replace(',', '')}-seed{seed}"
    found = one_record(options, seed, out) if name == "record" else one_idea(options, name, seed, out)
    found |= {
        "seed": seed,
        "processor_minutes": processor_minutes(),
        "precision": recipe_here(RECIPE).training.precision,
        "torch": torch.__version__,
    }
    records.write_json(out.with_suffix(".json"), found)


def interval(values: list[float]) -> str:
    """Mean and half the width of its 95 % interval over seeds."""
    if len(values) < 2:
        return f"{values[0]:.1f}"
    half = STUDENT.get(len(values), 1.96) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.1f} ± {half:.1f}"


def table(found: dict[str, list[dict[str, Any]]]) -> None:
    print("\n| | seeds | kNN, % | each | processor minutes |\n| --- | --- | --- | --- | --- |")
    for name, runs in found.items():
        values = [one["knn"] for one in runs]
        each = " ".join(f"{value:.2f}" for value in values)
        minutes = [one["processor_minutes"] for one in runs]
        over = " (over the budget)" if name == "record" and max(minutes) > MINUTES else ""
        print(
            f"| {name} | {len(runs)} | {interval(values)} | {each} | "
            f"{statistics.mean(minutes):.1f}, at most {max(minutes):.1f}{over} |",
            flush=True,
        )


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="CIFAR-10 as the hub has it, or its name there"
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder of runs; finished ones are read")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--ideas", nargs="*", choices=tuple(IDEAS), help="these ideas, or all")
    parser.add_argument(
        "--steps", type=int, default=700, help="of an idea, at the cost of the recipe as it was"
    )
    parser.add_argument(
        "--at-once", type=int, default=1, choices=(1, 2), help="runs at once; 2: one thread each"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = asked()
    options.runs.mkdir(parents=True, exist_ok=True)
    if options.one:
        one(options)
        return
    names = ["record"] if options.ideas is None else options.ideas or list(IDEAS)
    found: dict[str, list[dict[str, Any]]] = {}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        jobs = {(seed, name): pool.submit(run, options, name, seed) for seed in seeds for name in names}
        for (_, name), job in jobs.items():
            found.setdefault(name, []).append(job.result())
            table(found)


if __name__ == "__main__":
    main()
