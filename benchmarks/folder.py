"""`folder-simclr` as it is and as it was, on unlike sets, at equal minutes: kNN beside the twin and raw pixels.

    python benchmarks/folder.py --data ../shared/data --runs runs/folder --minutes 4 --seeds 1

Each recipe fits itself to the training images as `contrascope train folder-simclr --data.source SET` does; then its
epochs are set so that training takes so many minutes of processor time at the rate that a trial of 30 steps finds, both
recipes in turns. Everything else is the command's own. Finished runs are read. `--variants` adds what was tried.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.jobs.assess import PIXELS
from contrascope.jobs.train import train
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import read_record
from contrascope.runs.build import build
from contrascope.runs.facts import facts_of
from contrascope.runs.folder_recipe import fit_to_folder, folder_simclr
from contrascope.runs.load import views_for
from contrascope.runs.settings import RunSettings
from contrascope.training.arithmetic import arithmetic
from contrascope.training.optim import build_optimizer
from contrascope.training.settings import OptimSettings, ScheduleSettings

SETS = {
    "Caltech-101": ("caltech101-32", "test"),
    "Flowers, part": ("flowers102-part-64", "test"),
    "Tiny-ImageNet, part": ("tiny-imagenet-200", "validation"),
    "MNIST": ("mnist", "test"),
}
"""Folder below --data, and the split that is looked at once."""
TRIAL = 30
"""Steps of a rate."""


def as_it_was(fitted: RunSettings) -> RunSettings:
    """The recipe until version 0.1 on a CPU: float32, views of the images' side, AdamW at 1e-3."""
    return replace(
        fitted,
        policy=replace(fitted.policy, size=None),
        optim=OptimSettings(name="adamw", lr=1e-3, weight_decay=1e-4),
        schedule=ScheduleSettings(warmup_epochs=1.0),
        training=replace(fitted.training, precision="float32"),
    )


def small_first(fitted: RunSettings) -> RunSettings:
    side = fitted.data.size or 0
    return replace(fitted, schedule=replace(fitted.schedule, early_size=side // 2))


def with_adamw(fitted: RunSettings) -> RunSettings:
    return replace(fitted, optim=as_it_was(fitted).optim)


def tempered(temperature: float) -> Callable[[RunSettings], RunSettings]:
    return lambda fitted: replace(fitted, method=replace(fitted.method, temperature=temperature))


VARIANTS: dict[str, Callable[[RunSettings], RunSettings]] = {
    "as it was": as_it_was,
    "as it is": lambda fitted: fitted,
    "small first": small_first,
    "AdamW": with_adamw,
    "temperature 0.1": tempered(0.1),
    "temperature 0.5": tempered(0.5),
}


def processor_seconds(settings: RunSettings, images: ImageSet, *, early: bool) -> float:
    """Of one step, by a trial with networks of its own; of the early epochs, or of the later ones."""
    method = build(settings, images.shape).train().to(memory_format=torch.channels_last)  # pyright: ignore
    optimizer = build_optimizer(settings.optim, method)
    maker = views_for(settings, method, images)
    epoch = 0 if early else settings.training.epochs - 1
    batch = settings.training.batch_size
    order = torch.arange(TRIAL * batch) % len(images)
    start = 0.0
    for number, ids in enumerate(order.split(batch)):
        if number == 3:
            start = time.process_time()
        views = maker(images.gather(ids), ids=ids, epoch=epoch)
        with arithmetic(settings.training, torch.device("cpu")):
            total = method(views).terms.total
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return (time.process_time() - start) / (TRIAL - 3)


def rate(settings: RunSettings, images: ImageSet) -> float:
    """Processor seconds of an epoch, early and late in their shares."""
    steps = max(1, len(images) // settings.training.batch_size)
    late = processor_seconds(settings, images, early=False)
    if settings.schedule.early_size is None:
        return steps * late
    share = settings.schedule.early_share
    return steps * (share * processor_seconds(settings, images, early=True) + (1 - share) * late)


def run(options: argparse.Namespace, name: str, variant: str, seed: int) -> dict[str, Any]:
    folder, split = SETS[name]
    out = options.runs / f"{folder}-{variant.replace(' ', '-')}-seed{seed}"
    path = out.with_suffix(".json")
    if path.exists():
        return json.loads(path.read_text())
    data = DataSettings(source=str(options.data / folder), labels="label")
    images = open_images(data)
    base = folder_simclr()
    settings = VARIANTS[variant](fit_to_folder(replace(base, data=data), facts_of(images)))
    plan = out.with_suffix(".plan")
    if not plan.exists():  # a run that was interrupted goes on with the epochs that it began with
        epochs = max(2, round(60 * options.minutes / rate(settings, images)))
        records.write_json(plan, {"epochs": epochs})
    epochs = json.loads(plan.read_text())["epochs"]
    settings = replace(
        settings,
        training=replace(settings.training, epochs=epochs, seed=seed, threads=options.threads),
        protocol=replace(settings.protocol, probes=("knn",), test_split=split),
        monitor=MonitorSettings(times=0),
    )
    start = time.process_time()
    train(settings, out, resume=out.exists())
    minutes = (time.process_time() - start) / 60
    rows = read_record(EvaluationRecord, out / records.EVALUATION).require("rows").rows
    found = {row.of: 100 * row.value for row in rows if row.name == "knn" and row.value is not None}
    found |= {"epochs": epochs, "minutes": minutes}
    records.write_json(path, found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0, help="of processor time, of training")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", nargs="+", choices=tuple(SETS), default=tuple(SETS))
    parser.add_argument("--variants", nargs="+", choices=tuple(VARIANTS), default=("as it was", "as it is"))
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        for name in options.sets:
            for variant in options.variants:
                found.setdefault((name, variant), []).append(run(options, name, variant, seed))
                table(found)


def table(found: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    print("\n| set | recipe | kNN, % | twin | raw pixels | epochs | processor minutes, all |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (name, variant), runs in found.items():
        cells = [
            "/".join(f"{one[key]:.1f}" for one in runs if key in one)
            for key in ("trained encoder", "random encoder", PIXELS)
        ]
        minutes = statistics.mean(one["minutes"] for one in runs)
        print(
            f"| {name} | {variant} | {' | '.join(cells)} | {runs[0]['epochs']} | {minutes:.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
