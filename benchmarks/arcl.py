"""ArCL on CIFAR-10: SimCLR, the average over all pairs of m views and the worst pair, at equal epochs and compute.

    python benchmarks/arcl.py --data ../shared/data/cifar10-jpeg --runs runs/arcl --epochs 5
    python benchmarks/arcl.py --cost

The first command trains every arm with every seed, goes on where it was stopped, and prints two tables after every
run: accuracy on the plain images, L_align and L_AR of normalised features on fixed views of test images, and their
ratio; and the six augmented copies: accuracy of a linear probe on each, the largest risk gap beside its bound, L_AR.
"Equal compute" is two views for m / 2 times the epochs, or m views for 2 / m of them: as many views go through the
network. `--arms` names other arms, `--temperature` another one than the recipe's 0.1. `worst` and `average-asymmetric`
have the denominators of ArCL's Algorithm 1, `average` has its own (docs/arcl.md).

The second one measures, on random images, the time of a whole training step with m views over m / 2 times that with
two, the contenders taking turns; and the largest memory of each loss, forward and backward, in units of its own input,
for m and 2 m views: equal numbers say that it grows with m and not with m^2. Nothing is read or written.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from arcl_cost import memory_costs, step_costs
from cifar10 import TIMING, scores, spread, timed_train

from contrascope import records
from contrascope.data.sampling import some_images
from contrascope.draws import PROBE_EPOCH
from contrascope.evaluation.evaluate import evaluate
from contrascope.evaluation.suites import AugmentedSettings
from contrascope.features.embed import embed
from contrascope.jobs.assess import evaluation_sets
from contrascope.losses import LOSSES
from contrascope.methods.settings import PositivesName
from contrascope.runs.environment import environment
from contrascope.runs.here import recipe_here
from contrascope.runs.load import load_run, policies_for
from contrascope.runs.settings import RunSettings
from contrascope.suites.copies import robustness_of
from contrascope.theory.factors.alignment import alignment, augmentation_robust, unit_views

MEASURED, SOFT = "arcl.json", 1.0
ACCURACIES = ("kNN", "5 labels", "linear")
ROBUST, FINE = "robust", ("gap", "bound", "L_AR of the six")
DISTANCES = ("L_align h", "L_AR h", "L_AR / L_align h", "L_align z", "L_AR z")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train: the pairs that count, views a step, and the share of the recipe's epochs."""

    positives: PositivesName = "average"
    views: int = 4
    epochs: float = 1.0


ARMS = {
    "simclr": Arm(views=2),
    "average": Arm(),
    "worst": Arm(positives="worst"),
    "average-asymmetric": Arm(positives="average-asymmetric"),
    "simclr, equal compute": Arm(views=2, epochs=2.0),
    "average, equal compute": Arm(epochs=0.5),
    "worst, equal compute": Arm(positives="worst", epochs=0.5),
    "worst-symmetric, equal compute": Arm(positives="worst-symmetric", epochs=0.5),
    "soft-worst, equal compute": Arm(positives="soft-worst", epochs=0.5),
}
ISSUE = ("simclr", "average", "worst", "simclr, equal compute")
"""What runs without `--arms`."""


def settings_of(arm: Arm, options: argparse.Namespace, *, seed: int) -> RunSettings:
    base = recipe_here(options.recipe)
    epochs = max(1, round((options.epochs or base.training.epochs) * arm.epochs))
    soft = SOFT if arm.positives == "soft-worst" else None
    method = replace(base.method, positives=arm.positives, positives_temperature=soft)
    if options.temperature:
        method = replace(method, temperature=options.temperature)
    training = replace(base.training, num_views=arm.views, epochs=epochs, seed=seed)
    data = replace(base.data, source=str(options.data))
    return replace(base, data=data, method=method, training=training)


def accuracies(folder: Path, *, linear: bool) -> dict[str, float]:
    """In %: of the trained encoder on plain images; accuracy on transformed copies would be more columns here."""
    found = scores(folder)
    known = {"kNN": found["trained encoder", "knn"], "5 labels": found["trained encoder", "few_labels_5"]}
    if not linear:
        return known
    run = load_run(folder)
    train, test, _ = evaluation_sets(run.settings.data, run.settings.protocol)
    parts = [embed(run.encoder, None, images) for images in (train, test)]
    (score,) = evaluate(parts[0], parts[1], replace(run.settings.protocol, probes=("linear",)))
    assert score.value is not None, "the test images have no score; check the labels"
    return known | {"linear": 100 * score.value}


def distances(folder: Path, *, images: int, views: int) -> dict[str, float]:
    """L_align and L_AR of unit h and z on `views` fixed views, which no training epoch saw, of test images."""
    run = load_run(folder)
    _, test, _ = evaluation_sets(run.settings.data, run.settings.protocol)
    some = some_images(test, images, seed=0)
    policies = policies_for(run.settings.policy, some)
    features = embed(
        run.encoder, run.method.projector, some, policies=policies, num_views=views, epoch=PROBE_EPOCH
    )
    found = {}
    for name in ("h", "z"):
        rows = unit_views(features.output(name))
        found[f"L_align {name}"], found[f"L_AR {name}"] = (
            alignment(rows).value,
            augmentation_robust(rows).value,
        )
        found[f"L_AR / L_align {name}"] = found[f"L_AR {name}"] / max(found[f"L_align {name}"], 1e-12)
    return found


def robustness(folder: Path, *, train_images: int) -> dict[str, float]:
    """Of the six copies, each with its own linear probe: accuracy in %, gap and bound in nats, L_AR of unit rows."""
    found = robustness_of(folder, AugmentedSettings(train_images=train_images))
    widest = max(found.copies.values(), key=lambda row: abs(row.risk_gap))
    values = {f"{ROBUST} {name}": 100 * row.accuracy for name, row in found.copies.items()}
    moved = [row.accuracy_original_probe for name, row in found.copies.items() if name != "original"]
    return values | {
        f"{ROBUST} original's probe on the others": 100 * statistics.mean(moved),
        f"{ROBUST} largest gap": found.largest_gap,
        f"{ROBUST} its bound": widest.bound,
        f"{ROBUST} L_AR of the six": found.l_ar_unit,
    }


def measured(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """What is asked for of a finished run, kept in its folder; only what is missing is measured."""
    path = folder / MEASURED
    asked = {"images": options.images, "views": options.measure_views}
    kept = records.read_json(path) if path.exists() else {}
    if kept.get("asked") != asked:
        kept = {"asked": asked, "found": distances(folder, **asked)}
    if "kNN" not in kept["found"] or (options.linear and "linear" not in kept["found"]):
        kept["found"] |= accuracies(folder, linear=options.linear)
    if options.probe_images:
        kept["found"] |= robustness(folder, train_images=options.probe_images)
    records.write_json(path, kept)
    minutes = records.read_json(folder / TIMING)
    return {**kept["found"], "minutes": minutes["wall"], "of processor": minutes["processor"]}


def table(done: dict[str, list[dict[str, float]]], epochs: dict[str, int]) -> str:
    columns = [
        name
        for name in (*ACCURACIES, *DISTANCES)
        if all(name in row for rows in done.values() for row in rows)
    ]
    head = ["arm", "views", "epochs", "runs", *columns, "minutes", "of processor"]
    lines = [head, ["---"] * len(head)]
    for name, rows in done.items():
        cells = [
            spread([row[column] for row in rows], 3 if column in DISTANCES else 1)
            for column in (*columns, "minutes", "of processor")
        ]
        lines.append([name, str(ARMS[name].views), str(epochs[name]), str(len(rows)), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def robust_table(done: dict[str, list[dict[str, float]]]) -> str:
    """Accuracy on the six copies, in %; gaps in nats."""
    keys = [key for key in next(iter(done.values()))[0] if key.startswith(ROBUST)]
    lines = [["arm", *(key.removeprefix(ROBUST + " ") for key in keys)], ["---"] * (1 + len(keys))]
    for name, rows in done.items():
        of = [spread([row[key] for row in rows], 3 if key.endswith(FINE) else 1) for key in keys]
        lines.append([name, *of])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if keys else ""


def compare_arms(options: argparse.Namespace) -> None:
    done: dict[str, list[dict[str, float]]] = {}
    epochs: dict[str, int] = {}
    for seed in range(
        options.seeds
    ):  # a whole round of arms before the next seed: a stop leaves a fair table
        for name in options.arms:
            at = f"-{options.temperature:g}" if options.temperature else ""
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}{at}-seed{seed}"
            settings = settings_of(ARMS[name], options, seed=seed)
            if not (folder / records.EVALUATION).exists():
                timed_train(settings, folder)
            done.setdefault(name, []).append(measured(folder, options))
            epochs[name] = settings.training.epochs
            print(table(done, epochs), robust_table(done), sep="\n\n", flush=True)


def cost(options: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    words: tuple[PositivesName, ...] = (
        "average",
        "average-asymmetric",
        "worst",
        "worst-symmetric",
        "soft-worst",
    )
    arms = {
        word: Arm(positives=word, views=options.views)
        for word in words
        if (word, "barlow" in options.recipe) != ("soft-worst", True)
    }
    times = step_costs(
        settings_of(Arm(views=2), options, seed=0),
        {word: settings_of(arm, options, seed=0) for word, arm in arms.items()},
        batch=options.batch,
        rounds=options.rounds,
        repeats=options.steps,
        device=device,
    )
    result = {
        "recipe": options.recipe,
        "batch": options.batch,
        "views": options.views,
        "time over m / 2 times two views": times,
        "largest memory over inputs, m and 2 m views": memory_costs(options.losses, views=options.views),
        "environment": environment(device),
    }
    print(json.dumps(result, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of CIFAR-10 in hub layout")
    parser.add_argument("--runs", type=Path, default=Path("runs/arcl"), help="where the runs are kept")
    parser.add_argument("--recipe", default="cifar10-simclr-cpu")
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=ISSUE)
    parser.add_argument("--temperature", type=float, help="of the loss; unset: the recipe's")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="epochs of an arm at equal epochs; unset: the recipe's")
    parser.add_argument("--images", type=int, default=2000, help="test images for L_align and L_AR")
    parser.add_argument("--measure-views", type=int, default=8, help="views of each for them")
    parser.add_argument("--probe-images", type=int, default=10_000, help="of the six copies; 0: not measured")
    parser.add_argument("--linear", action="store_true", help="the linear probe too: minutes a run")
    parser.add_argument("--cost", action="store_true", help="measure time and memory instead of training")
    parser.add_argument("--batch", type=int, default=256, help="of --cost")
    parser.add_argument("--views", type=int, default=4, help="m of --cost")
    parser.add_argument("--rounds", type=int, default=5, help="of --cost")
    parser.add_argument("--steps", type=int, default=4, help="of --cost, a round and contender")
    parser.add_argument(
        "--losses", nargs="*", choices=tuple(LOSSES), default=("nt_xent", "barlow_twins", "vicreg", "byol")
    )
    options = parser.parse_args()
    run: Callable[[argparse.Namespace], None] = cost if options.cost else compare_arms
    if not options.cost and options.data is None:
        parser.error("--data is needed: a folder of CIFAR-10 in hub layout")
    run(options)


if __name__ == "__main__":
    main()
