"""ArCL on the demo's digits: SimCLR, the average over pairs with both denominators, the worst pair, two temperatures.

    OMP_NUM_THREADS=1 python benchmarks/arcl_digits.py --runs runs/arcl-digits

Trains the recipe `digits-simclr` for 60 epochs with every arm, temperature and seed, goes on where it was stopped, and
prints two tables after every run: accuracy in % on the test images (mean and standard deviation over seeds), and the
differences of arms paired by seed, with the 95 % interval of Student's t over seeds. It covers what other seeds of
weights and views would give on these images with these draws of labels, not what other images would. Arms of four views
cost two of "simclr" an epoch: "simclr, equal compute" has twice the epochs.
"""

import argparse
import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from cifar10 import scores, spread, timed_train
from scipy.special import stdtrit

from contrascope import records
from contrascope.methods.settings import PositivesName
from contrascope.runs.recipes import RECIPES
from contrascope.runs.settings import RunSettings

COLUMNS = {"1 label": "few_labels_1", "5 labels": "few_labels_5", "kNN": "knn"}
Key = tuple[float, str]
"""Temperature and arm."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The pairs that count, views a step, and the share of `--epochs`."""

    positives: PositivesName = "average"
    views: int = 4
    epochs: int = 1


ARMS = {
    "simclr": Arm(views=2),
    "simclr, equal compute": Arm(views=2, epochs=2),
    "average": Arm(),
    "average-asymmetric": Arm(positives="average-asymmetric"),
    "worst": Arm(positives="worst"),
}
PAIRS = (
    ("average", "simclr, equal compute"),
    ("average-asymmetric", "simclr, equal compute"),
    ("worst", "simclr, equal compute"),
    ("worst", "simclr"),
    ("average-asymmetric", "average"),
    ("worst", "average"),
    ("worst", "average-asymmetric"),
)
"""Arms that are compared: the first less the second."""


def settings_of(arm: Arm, *, temperature: float, seed: int, epochs: int) -> RunSettings:
    base = RECIPES["digits-simclr"].make()
    method = replace(base.method, positives=arm.positives, temperature=temperature)
    training = replace(base.training, num_views=arm.views, epochs=epochs * arm.epochs, seed=seed)
    protocol = replace(base.protocol, probes=("knn", "few_labels"))
    return replace(base, method=method, training=training, protocol=protocol)


def accuracies(folder: Path) -> dict[str, float]:
    found = scores(folder)
    return {column: found["trained encoder", probe] for column, probe in COLUMNS.items()}


def paired(one: dict[int, float], other: dict[int, float]) -> str:
    """Mean difference over the seeds that both have, and its 95 % interval."""
    gaps = [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())]
    mean = statistics.mean(gaps)
    if len(gaps) < 2:
        return f"{mean:+.1f}"
    half = stdtrit(len(gaps) - 1, 0.975).item() * statistics.stdev(gaps) / math.sqrt(len(gaps))
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def rows(lines: list[list[str]]) -> str:
    head, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rest])


def table(done: dict[Key, dict[int, dict[str, float]]], epochs: int) -> str:
    lines = [["temperature", "arm", "views", "epochs", "seeds", *COLUMNS]]
    for (temperature, name), found in sorted(done.items(), key=lambda item: -item[0][0]):
        arm = ARMS[name]
        cells = [spread([one[column] for one in found.values()]) for column in COLUMNS]
        lines.append(
            [f"{temperature:g}", name, str(arm.views), str(epochs * arm.epochs), str(len(found)), *cells]
        )
    return rows(lines)


def differences(done: dict[Key, dict[int, dict[str, float]]]) -> str:
    lines = [["temperature", "difference", *COLUMNS]]
    for temperature in sorted({temperature for temperature, _ in done}, reverse=True):
        for first, second in PAIRS:
            one, other = done.get((temperature, first), {}), done.get((temperature, second), {})
            if one.keys() & other.keys():
                cells = [
                    paired(*({seed: row[column] for seed, row in of.items()} for of in (one, other)))
                    for column in COLUMNS
                ]
                lines.append([f"{temperature:g}", f"{first} less {second}", *cells])
    return rows(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/arcl-digits"), help="where the runs are kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60, help="of the arms at equal epochs")
    parser.add_argument("--temperatures", type=float, nargs="+", default=(0.5, 0.1))
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=tuple(ARMS))
    options = parser.parse_args()
    done: dict[Key, dict[int, dict[str, float]]] = {}
    for seed in range(options.seeds):  # every arm before the next seed: a stop leaves a fair table
        for temperature in options.temperatures:
            for name in options.arms:
                folder = (
                    options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{temperature:g}-seed{seed}"
                )
                settings = settings_of(ARMS[name], temperature=temperature, seed=seed, epochs=options.epochs)
                if not (folder / records.EVALUATION).exists():
                    timed_train(settings, folder)
                done.setdefault((temperature, name), {})[seed] = accuracies(folder)
                print(table(done, options.epochs), differences(done), sep="\n\n", flush=True)


if __name__ == "__main__":
    main()
