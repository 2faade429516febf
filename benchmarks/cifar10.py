"""The table of docs/results.md: every CPU recipe on CIFAR-10, resumable, one command.

    python benchmarks/cifar10.py --data ../shared/data/cifar10-jpeg --runs runs/cifar10

Runs that are finished are read, unfinished ones go on where they stopped. Minutes are of the whole command (opening,
training, assessment): wall clock, and processor time over the number of threads, which another process on the machine
does not disturb. The three policies are trained for fewer epochs: what counts there is their order.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from contrascope import records
from contrascope.jobs.train import train
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import read_record
from contrascope.runs.here import recipe_here
from contrascope.runs.load import settings_of as settings_in
from contrascope.runs.recipes import CPU_METHODS
from contrascope.runs.settings import RunSettings

POLICIES = ("a", "abc", "abcde")
TIMING = "timing.json"
TRAIN_IMAGES = 50_000
"""The checkpoint of every epoch is kept, for `benchmarks/curves.py`."""


def settings_of(
    recipe: str,
    data: Path,
    *,
    seed: int,
    policy: str | None,
    epochs: int | None,
    train_images: int = TRAIN_IMAGES,
) -> RunSettings:
    base = recipe_here(recipe)
    per_epoch = train_images // base.training.batch_size
    training = replace(base.training, seed=seed, epochs=epochs or base.training.epochs, keep_every=per_epoch)
    chosen = base.policy if policy is None else replace(base.policy, name=policy, strength=None)
    return replace(base, data=replace(base.data, source=str(data)), training=training, policy=chosen)


def plan(seeds: int) -> list[tuple[str, int, str | None]]:
    """(recipe, seed, policy): one run a method, SimCLR's other seeds, then SimCLR's policies."""
    methods: list[tuple[str, int, str | None]] = [(f"cifar10-{name}-cpu", 0, None) for name in CPU_METHODS]
    policies = [("cifar10-simclr-cpu", 0, letters) for letters in POLICIES]
    return [*methods, *(("cifar10-simclr-cpu", seed, None) for seed in range(1, seeds)), *policies]


def scores(folder: Path) -> dict[tuple[str, str], float]:
    rows = read_record(EvaluationRecord, folder / records.EVALUATION).require("rows").rows
    return {(row.of, row.name): 100 * row.value for row in rows if row.value is not None}


def timed_train(settings: RunSettings, folder: Path) -> None:
    """Trains and adds the minutes of this attempt to those of earlier ones."""
    wall, processor = time.perf_counter(), time.process_time()
    try:
        train(settings, folder, resume=True)
    finally:
        path = folder / TIMING
        before = records.read_json(path) if path.exists() else {"wall": 0.0, "processor": 0.0}
        threads = torch.get_num_threads()
        spent = {
            "wall": before["wall"] + (time.perf_counter() - wall) / 60,
            "processor": before["processor"] + (time.process_time() - processor) / 60 / threads,
        }
        records.write_json(path, spent)


def table(done: dict[tuple[str, str | None], list[Path]]) -> str:
    lines = [
        "| recipe | policy | epochs | runs | kNN | 1 label | 5 labels | kNN, random encoder | minutes | of processor |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (recipe, policy), folders in done.items():
        all_scores = [scores(folder) for folder in folders]
        cells = [
            spread([one["trained encoder", name] for one in all_scores])
            for name in ("knn", "few_labels_1", "few_labels_5")
        ]
        random = spread([one["random encoder", "knn"] for one in all_scores])
        minutes = [records.read_json(folder / TIMING) for folder in folders]
        times = [spread([one[kind] for one in minutes]) for kind in ("wall", "processor")]
        epochs = settings_in(folders[0]).training.epochs
        cells = [recipe, policy or "its own", str(epochs), str(len(folders)), *cells, random, *times]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float], digits: int = 1) -> str:
    """Mean and, of several values, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10 in hub layout")
    parser.add_argument("--runs", type=Path, default=Path("runs/cifar10"), help="where the runs are kept")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of SimCLR")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the command")
    parser.add_argument(
        "--policy-epochs", type=int, default=4, help="epochs of the runs that compare policies"
    )
    parser.add_argument("--only", type=int, help="only the first N runs of the plan")
    options = parser.parse_args()
    done: dict[tuple[str, str | None], list[Path]] = {}
    for recipe, seed, policy in plan(options.seeds)[: options.only]:
        folder = options.runs / f"{recipe}-{policy or 'own'}-seed{seed}"
        if not (folder / records.EVALUATION).exists():
            epochs = options.epochs if policy is None else options.policy_epochs
            settings = settings_of(recipe, options.data, seed=seed, policy=policy, epochs=epochs)
            timed_train(settings, folder)
        done.setdefault((recipe, policy), []).append(folder)
        print(table(done), flush=True)


if __name__ == "__main__":
    main()
