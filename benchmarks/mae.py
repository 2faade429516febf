"""Can MAE be analysed by the framework of alignment, divergence and concentration? An experiment that could say no.

    python benchmarks/mae.py --data ../shared/data/cifar10-jpeg --runs runs/mae --epochs 30 --seeds 0 1
    python benchmarks/mae.py --data ../shared/data/cifar10-jpeg --runs runs/mae --epochs 6 --seeds 0

MAE and U-MAE over mask ratio, patch, weight of the spread and depth of the decoder, SimCLR and VICReg with the same
vision transformer, and random weights. Of each: kNN and linear probe on 5,000 held-out training images, and on 2,000
of them the quantities of the theory under masks (four an image, mean visible token) and under crops and colours. A
process a run, resumable.

Prints a table, the order of mask ratios by concentration, and the rank correlation of every quantity with the linear
error, over all runs and over MAE's alone. docs/mae.md says what was expected and what would have changed our mind.
"""

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mae_measure import factors_of, masking, sharpness
from record import held_out_ids, opened, part_of, processor_minutes
from scipy.stats import spearmanr
from yard_stick import THREADS, changed, numbers_file, numbers_of, quiet, scores, train_quietly

from contrascope import records
from contrascope.data.imageset import InMemoryImages
from contrascope.methods.pretext.mae import MAE
from contrascope.runs.here import recipe_here
from contrascope.runs.load import random_twin_of
from contrascope.runs.settings import RunSettings

RATIOS, MEASURED = [0.25, 0.5, 0.75, 0.9], 2_000
OTHERS = 0.75
"""Mask ratio under which encoders that were not trained on masks are measured."""


def variants() -> dict[str, dict[str, Any]]:
    """Names to settings that differ from `cifar10-mae-cpu`; `recipe` names another."""
    found: dict[str, dict[str, Any]] = {
        f"mae r{ratio:g} spread{spread:g}": {"method.mask_ratio": ratio, "method.spread": spread}
        for ratio in RATIOS
        for spread in (0.0, 0.01, 0.1)
    }
    found |= {
        f"mae r{ratio:g} patch2": {"method.mask_ratio": ratio, "encoder.patch": 2}
        for ratio in (0.5, 0.75, 0.9)
    }
    found |= {f"mae r0.75 decoder{depth}": {"method.decoder_depth": depth} for depth in (1, 4)}
    return found | {name: {"recipe": f"cifar10-{name}-cpu"} for name in ("simclr", "vicreg")}


def settings_of(name: str, *, epochs: int, seed: int) -> RunSettings:
    """MAE's recipe with the changes; a joint method with MAE's encoder and optimiser, half the epochs (two views)."""
    mae = recipe_here("cifar10-mae-cpu")
    changes = dict(variants()[name])
    recipe = changes.pop("recipe", None)
    settings = changed(mae, [f"{path}={json.dumps(value)}" for path, value in changes.items()])
    if recipe is not None:
        other = recipe_here(recipe)
        training = replace(mae.training, num_views=2)
        settings = replace(other, encoder=mae.encoder, optim=mae.optim, training=training)
    settings = replace(settings, training=replace(settings.training, epochs=epochs))
    return quiet(settings, seed=seed, threads=settings.training.threads or THREADS)


def measured(options: argparse.Namespace, name: str, seed: int, out: Path) -> dict[str, Any]:
    whole = opened(options.data, "train")
    learn, asked = (part_of(whole, ids) for ids in held_out_ids(whole))
    run = train_quietly(settings_of(name, epochs=options.epochs, seed=seed), learn, out, labelled=False)
    trained, twin = run.method, random_twin_of(run)
    ratio = float(variants()[name].get("method.mask_ratio", OTHERS))
    images = part_of(asked, torch.arange(MEASURED))
    own = trained if isinstance(trained, MAE) else masking(trained.encoder, ratio)
    theirs = twin if isinstance(twin, MAE) else masking(twin.encoder, ratio)
    found: dict[str, Any] = scores(run, learn, asked)
    found |= factors_of(own, images, decoder=isinstance(trained, MAE))
    found |= {f"twin {key}": value for key, value in factors_of(theirs, images, decoder=False).items()}
    return {**found, "seed": seed, "processor_minutes": processor_minutes()}


def folder_of(options: argparse.Namespace, name: str, seed: int) -> Path:
    return options.runs / f"{name.replace(' ', '-')}-epochs{options.epochs}-seed{seed}"


HEAD = {
    "trained.knn": "kNN",
    "twin.knn": "twin",
    "trained.linear": "linear",
    "twin.linear": "twin",
    "masks.alignment_centred": "alignment, masks",
    "twin masks.alignment_centred": "twin",
    "crops.alignment_centred": "alignment, crops",
    "masks.max_inner_centred": "largest mu_k . mu_l",
    "twin masks.max_inner_centred": "twin",
    "masks.r_epsilon": "R_eps",
    "masks.error": "Err(G)",
    "masks.rank": "rank",
    "split.variance": "half pair variance",
    "split.bias": "error of the mean",
}


def table(done: dict[str, list[dict[str, Any]]]) -> None:
    print("\n| | " + " | ".join(HEAD.values()) + " |\n" + "| --- " * (len(HEAD) + 1) + "|")
    for name, runs in done.items():
        cells = [mean(runs, key) for key in HEAD]
        shown = ["" if value is None else f"{value:.{1 if value > 5 else 3}f}" for value in cells]
        print(f"| {name} | " + " | ".join(shown) + " |", flush=True)


def mean(runs: list[dict[str, Any]], key: str) -> float | None:
    values = [run[key] for run in runs if key in run]
    return statistics.mean(values) if values else None


def correlations(done: dict[str, list[dict[str, Any]]]) -> None:
    """Spearman's correlation of every quantity with the linear error: over all, and over MAE and U-MAE alone."""
    print("\n| quantity | all runs | MAE and U-MAE |\n| --- | --- | --- |")
    keys = [key for key in next(iter(done.values()))[0] if key.startswith(("masks.", "crops.", "split."))]
    groups = [list(done), [name for name in done if name.startswith("mae")]]
    for key in keys:
        print(f"| {key} | " + " | ".join(rank_correlation(done, names, key) for names in groups) + " |")


def rank_correlation(done: dict[str, list[dict[str, Any]]], names: list[str], key: str) -> str:
    pairs = [(mean(done[name], key), mean(done[name], "trained.linear")) for name in names]
    known = [(value, 100 - right) for value, right in pairs if value is not None and right is not None]
    if len(known) < 3:
        return ""
    found: Any = spearmanr([value for value, _ in known], [error for _, error in known])
    return f"{found.statistic:+.2f}"


def concentrations(images: InMemoryImages) -> None:
    print("\n| patch | " + " | ".join(f"1 - sigma, r {ratio:g}" for ratio in RATIOS) + " |")
    print("| --- " * (len(RATIOS) + 1) + "|")
    for patch in (2, 4):
        values = sharpness(images, patch=patch, ratios=RATIOS)
        print(f"| {patch} | " + " | ".join(f"{values[ratio]:.3f}" for ratio in RATIOS) + " |", flush=True)


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10 as the hub has it")
    parser.add_argument("--runs", type=Path, required=True, help="folder of runs; finished ones are read")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--only", nargs="*", choices=tuple(variants()), help="these runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--one-seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = asked()
    options.runs.mkdir(parents=True, exist_ok=True)
    if options.one:
        out = folder_of(options, options.one, options.one_seed)
        records.write_json(numbers_file(out), measured(options, options.one, options.one_seed, out))
        return
    done: dict[str, list[dict[str, Any]]] = {}
    for seed in options.seeds:
        for name in options.only or variants():
            out = folder_of(options, name, seed)
            done.setdefault(name, []).append(numbers_of(out, name, seed, threads=THREADS))
            table(done)
    correlations(done)
    concentrations(part_of(opened(options.data, "test"), torch.arange(10_000)))


if __name__ == "__main__":
    main()
