"""Figure 3 of Huang et al. 2023 (arXiv:2111.00743): concentration and error of ten pairs of operations, one command.

    python benchmarks/pairs.py --data ../shared/data/cifar10-jpeg --runs runs/pairs --out docs/figures/concentration

For every pair of (a) crop, (b) blur, (c) colour drop, (d) colour distortion, (e) flip: 1 - sigma at four deltas on test
images, raw and normalised pixels; and the error of SimCLR trained with the pair on the CPU encoder: of the nearest
centre, G_f, as in the paper, and of kNN, with training images as bank. Everything finished is kept in `--runs` and
read, a stopped training goes on. Writes OUT.json and OUT.svg (needs matplotlib: `make bench`) and prints a table.
Deviations: 200 epochs and ResNet-18 there; number of images, views, deltas and kind of pixels are not stated there.
"""

import argparse
import itertools
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from cifar10 import scores, settings_of, spread, timed_train
from rank_correlation import spearman

from contrascope import records
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.papers.measures.concentration import PAIRS, SPACES, distances, policies, some_of_each_class
from contrascope.runs.settings import RunSettings
from contrascope.theory.concentration.concentration import concentration, delta_grid

LETTERS = ("ad", "ac", "ab", "ae", *(pair for pair in PAIRS if "a" not in pair))
"""Order of the figure: pairs with the crop first, in the paper's order of error."""
ERRORS = {"nearest centre": "nearest_centre", "kNN": "knn"}
"""Name -> probe."""


def concentrations(options: argparse.Namespace, space: str) -> dict[str, Any]:
    """Brackets of 1 - sigma, mean and largest over classes, of every policy at every delta; kept."""
    path = options.runs / f"{space}-{options.per_class}-{options.views}.json"
    if path.exists():
        return records.read_json(path)
    test = open_images(DataSettings(source=str(options.data), split="test"))
    images, y = some_of_each_class(test, options.per_class)
    between, distinct = distances(images, y, policies(options.strength), space, options.views)
    deltas = torch.cat([delta_grid(between["a"], y, size=1, low=q, high=q) for q in options.quantiles])
    table: dict[str, Any] = {}
    for name, distance in between.items():
        found = concentration(distance, y, deltas, seconds=options.seconds)
        table[name.partition("@")[0]] = {
            "mean over classes": brackets(found.mean_low, found.mean_high),
            "smallest sigma": brackets(found.sigma_low, found.sigma_high),
            "distinct views": distinct[name],
        }
        print(f"{space}: {name} {table[name.partition('@')[0]]['mean over classes']}", flush=True)
    result = {"deltas": deltas.tolist(), "policies": table}
    records.write_json(path, result)
    return result


def brackets(low: torch.Tensor, high: torch.Tensor) -> list[list[float]]:
    """Of 1 - sigma."""
    return [[round(1 - b, 4), round(1 - a, 4)] for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def training(options: argparse.Namespace, pair: str, seed: int) -> RunSettings:
    base = settings_of("cifar10-simclr-cpu", options.data, seed=seed, policy=pair, epochs=options.epochs)
    strength = options.strength if "d" in pair else None
    protocol = replace(base.protocol, probes=tuple(ERRORS.values()))
    return replace(
        base,
        policy=replace(base.policy, strength=strength),
        training=replace(base.training, keep_every=0),
        protocol=protocol,
    )


def errors(folder: Path) -> dict[str, float]:
    """In %, on test images: of the nearest centre on unit features, centres from training images, and of kNN."""
    found = scores(folder)
    return {name: 100 - found["trained encoder", probe] for name, probe in ERRORS.items()}


def order_agrees(found: dict[str, Any], error: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Spearman's rho of 1 - sigma (lower end of sigma) with each mean error, over the pairs, by delta."""
    agree: dict[str, Any] = {}
    known = [pair for pair in LETTERS if error.get(pair)]
    for space, name in itertools.product(SPACES, ERRORS):
        theirs = [statistics.mean(one[name] for one in error[pair]) for pair in known]
        table = found[space]["policies"]
        agree[f"{space}, {name}"] = [
            round(spearman([table[p]["mean over classes"][d][1] for p in known], theirs), 3)
            for d in range(len(found[space]["deltas"]))
        ]
    return agree


def table(found: dict[str, Any], error: dict[str, list[dict[str, float]]]) -> str:
    deltas = [f"{space} {value:.2f}" for space in SPACES for value in found[space]["deltas"]]
    lines = [
        f"| pair | {' | '.join(f'1 - sigma, {one}' for one in deltas)} | error of nearest centre | of kNN | runs |",
        "|" + " --- |" * (len(deltas) + 4),
    ]
    for pair in LETTERS:
        values = [bracket(one) for s in SPACES for one in found[s]["policies"][pair]["mean over classes"]]
        runs = error.get(pair, [])
        cells = [spread([run[name] for run in runs]) if runs else "-" for name in ERRORS]
        lines.append(f"| {', '.join(pair)} | {' | '.join([*values, *cells, str(len(runs))])} |")
    return "\n".join(lines)


def bracket(ends: list[float]) -> str:
    low, high = ends
    return f"{low:.3f}" if high - low < 0.0005 else f"{low:.3f} to {high:.3f}"


def figure(found: dict[str, Any], error: dict[str, list[dict[str, float]]], path: Path) -> None:
    import matplotlib.pyplot as plt

    plot, axes = plt.subplots(1, 3, figsize=(15, 4.5))
    places = range(len(LETTERS))
    for axis, space in zip(axes, SPACES, strict=False):
        for number, delta in enumerate(found[space]["deltas"]):
            ends = [found[space]["policies"][pair]["mean over classes"][number] for pair in LETTERS]
            low, high = zip(*ends, strict=True)
            dash = ("o-", "s--", "^:", "d-.")[number % 4]
            axis.plot(places, high, dash, label=f"delta {delta:.2f}", markersize=4)
            axis.fill_between(places, low, high, alpha=0.2)
        axis.set(title=f"1 - sigma, {space} pixels, mean over classes", ylabel="share of a class (0 to 1)")
    for name, dash in zip(ERRORS, ("o-", "s--"), strict=True):
        runs = [[one[name] for one in error.get(pair, [])] for pair in LETTERS]
        means = [statistics.mean(one) if one else float("nan") for one in runs]
        off = [statistics.stdev(one) if len(one) > 1 else 0.0 for one in runs]
        axes[2].errorbar(places, means, yerr=off, fmt=dash, label=name, markersize=4, capsize=3)
    axes[2].set(title="error of SimCLR's encoder on test images", ylabel="error (%)")
    for axis in axes:
        axis.set_xticks(list(places), [f"({', '.join(pair)})" for pair in LETTERS], rotation=45)
        axis.legend(fontsize=8)
    plot.tight_layout()
    plot.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10 in hub layout")
    parser.add_argument("--runs", type=Path, default=Path("runs/pairs"), help="where everything is kept")
    parser.add_argument("--out", type=Path, help="OUT.json and OUT.svg")
    parser.add_argument("--per-class", type=int, default=150, help="test images for 1 - sigma")
    parser.add_argument("--views", type=int, default=32, help="views of each, itself among them")
    parser.add_argument("--strength", type=float, default=0.5, help="of colour distortion")
    parser.add_argument("--quantiles", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.2])
    parser.add_argument("--seconds", type=float, default=5.0, help="for the cliques of a class")
    parser.add_argument("--epochs", type=int, default=10, help="of each training")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    found = {space: concentrations(options, space) for space in SPACES}
    error: dict[str, list[dict[str, float]]] = {}
    for seed, pair in itertools.product(range(options.seeds), LETTERS):
        folder = options.runs / f"{pair}-{options.epochs}-epochs-seed{seed}"
        if not (folder / records.EVALUATION).exists():
            timed_train(training(options, pair, seed), folder)
        error.setdefault(pair, []).append(errors(folder))
        print(table(found, error), flush=True)
    agree = order_agrees(found, error) if options.seeds else {}
    print(json.dumps({"Spearman's rho of 1 - sigma with the error, by delta": agree}, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        asked = {name: value for name, value in vars(options).items() if not isinstance(value, Path)}
        result = {"concentration": found, "error": error, "spearman": agree, "options": asked}
        records.write_json(options.out.with_suffix(".json"), result)
        figure(found, error, options.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
