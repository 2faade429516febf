"""The table of docs/results.md: every CPU recipe on CIFAR-10, resumable, one command.

    python benchmarks/cifar10.py --data ../shared/data/cifar10-jpeg --runs runs/cifar10

Runs that are finished are read, unfinished ones go on where they stopped. Set OMP_NUM_THREADS for a fair clock.
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

from contrascope import records
from contrascope.experiments.recipes import CPU_METHODS, RECIPES
from contrascope.experiments.settings import RunSettings
from contrascope.experiments.train import train

POLICIES = ("a", "abc", "abcde")


def settings_of(recipe: str, data: Path, *, seed: int, policy: str | None, epochs: int | None) -> RunSettings:
    base = RECIPES[recipe].make()
    training = replace(base.training, seed=seed, epochs=epochs or base.training.epochs)
    chosen = base.policy if policy is None else replace(base.policy, name=policy, strength=None)
    return replace(base, data=replace(base.data, source=str(data)), training=training, policy=chosen)


def plan(seeds: int) -> list[tuple[str, int, str | None]]:
    """(recipe, seed, policy): all seeds of SimCLR, one of the others, then SimCLR's policies."""
    simclr = [("cifar10-simclr-cpu", seed, None) for seed in range(seeds)]
    others = [(f"cifar10-{name}-cpu", 0, None) for name in CPU_METHODS if name != "simclr"]
    return [*simclr, *others, *(("cifar10-simclr-cpu", 0, letters) for letters in POLICIES)]


def scores(folder: Path) -> dict[tuple[str, str], float]:
    rows = records.read_json(folder / records.EVALUATION)["rows"]
    return {(row["of"], row["name"]): 100 * row["value"] for row in rows}


def table(done: dict[tuple[str, str | None], list[Path]]) -> str:
    lines = [
        "| recipe | policy | runs | kNN | linear | 1 label | kNN of random encoder |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (recipe, policy), folders in done.items():
        all_scores = [scores(folder) for folder in folders]
        cells = [
            spread([one["trained encoder", name] for one in all_scores])
            for name in ("knn", "linear", "few_labels_1")
        ]
        random = spread([one["random encoder", "knn"] for one in all_scores])
        lines.append(
            f"| {recipe} | {policy or 'its own'} | {len(folders)} | {' | '.join(cells)} | {random} |"
        )
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10 in hub layout")
    parser.add_argument("--runs", type=Path, default=Path("runs/cifar10"), help="where the runs are kept")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of SimCLR")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the command")
    parser.add_argument("--only", type=int, help="only the first N runs of the plan")
    options = parser.parse_args()
    done: dict[tuple[str, str | None], list[Path]] = {}
    for recipe, seed, policy in plan(options.seeds)[: options.only]:
        folder = options.runs / f"{recipe}-{policy or 'own'}-seed{seed}"
        if not (folder / records.EVALUATION).exists():
            settings = settings_of(recipe, options.data, seed=seed, policy=policy, epochs=options.epochs)
            train(settings, folder, resume=True)
        done.setdefault((recipe, policy), []).append(folder)
        print(table(done), flush=True)


if __name__ == "__main__":
    main()
