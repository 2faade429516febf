"""Figures 1, 3 to 7, 9 and 10 of Cosentino et al. 2022 (arXiv:2205.06926), one command, resumable.

    python benchmarks/geometry.py --data ../shared/data/cifar10-jpeg --runs runs/geometry --out docs/figures/geometry
    python benchmarks/geometry.py --speed
    python benchmarks/geometry.py --toy
    python benchmarks/geometry.py --data ... --runs runs/depth --depths 0 1 2 3 --widths 128 512 2048 --seeds 1

SimCLR with a linear projector, temperature 0.5 (the paper's beta = 2), three policies, several seeds, on the CPU's
convnet. Deviations from the paper: its loss has no positive in the denominator (NT-Xent has), its encoder is a
ResNet-18 and its optimiser LARS. Runs that are finished are read, unfinished ones go on where they stopped. Writes
OUT.json with every number and OUT.svg (needs matplotlib: `make bench`), and prints a table.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.augment.presets import PolicySettings
from contrascope.data.open import open_images
from contrascope.diagnosis.geometry import feature_geometry
from contrascope.diagnosis.settings import GeometryProbeSettings, MonitorSettings
from contrascope.encoders.projector import ProjectorSettings, build_projector
from contrascope.experiments.geometry_probe import GeometryProbe, geometry_row
from contrascope.experiments.recipes import RECIPES
from contrascope.experiments.settings import RunSettings
from contrascope.experiments.train import build, load_run, policies_for, train
from contrascope.geometry.toys import rotation_rank
from contrascope.methods.simclr import SimCLRSettings
from contrascope.settings import to_json

POLICIES = ("large", "moderate", "small")
CURVES = "geometry_curves.json"
ANGLES = (1.0, 5.0, 10.0, 20.0, 45.0, 90.0, 180.0, 360.0)
DASHES = ("-", "--", ":", "-.")
MOMENTS = ("start", "half", "end")
PANELS = {
    "Fig. 1: rank of the projector": "geometry_rank",
    "Fig. 3: InfoNCE": "geometry_loss",
    "Fig. 3: its upper bound": "geometry_bound",
    "Fig. 6: label sharing": "geometry_sharing_label",
    "Fig. 7: displacements unexplained": "geometry_unexplained",
    "median distance to the nearest negative": "geometry_distance_spread",
}


def settings_of(options: argparse.Namespace, case: dict[str, Any], seed: int) -> RunSettings:
    base = RECIPES["cifar10-simclr-cpu"].make()
    data = replace(base.data, source=str(options.data), labels=options.labels)
    per_epoch = len(open_images(data)) // options.batch
    training = replace(
        base.training,
        seed=seed,
        epochs=options.epochs,
        batch_size=options.batch,
        keep_every=per_epoch * max(1, options.epochs // 2),
    )
    hidden = (case["width"],) * case["depth"]
    return replace(
        base,
        data=data,
        policy=PolicySettings(name=f"cosentino-{case['policy']}", size=base.policy.size),
        method=SimCLRSettings(
            temperature=0.5, projector=ProjectorSettings(hidden=hidden, out=128, bias=bool(hidden))
        ),
        training=training,
        monitor=MonitorSettings(times=0),
        geometry=GeometryProbeSettings(times=options.epochs, images=options.images),
    )


def run_case(settings: RunSettings, folder: Path) -> dict[str, Any]:
    """Train if that is not done, measure the start, the middle and the end, and read everything back."""
    if not (folder / records.EVALUATION).exists():
        train(settings, folder, resume=True)
    path = folder / CURVES
    if not path.exists():
        records.write_json(path, measured(settings, folder))
    found = records.read_json(path)
    rows = [row for row in records.read_metrics(folder / records.METRICS) if "geometry_loss" in row]
    found["curve"] = [found["start_row"], *rows]
    scores = records.read_json(folder / records.EVALUATION)["rows"]
    found["scores"] = {row["name"]: row["value"] for row in scores if row["of"] == "trained encoder"}
    return found


def measured(settings: RunSettings, folder: Path) -> dict[str, Any]:
    """The whole geometry before training, half-way and at the end, on the probe's images and views."""
    images = open_images(settings.data)
    probe = GeometryProbe(
        images,
        policies_for(settings.policy, images),
        settings=settings.geometry,
        epochs=settings.training.epochs,
        seed=settings.training.seed,
        device=torch.device("cpu"),
    )
    start = probe.measure(build(settings, images.shape).eval())
    steps = [step for step, _ in records.checkpoint_folders(folder)]
    half = min(steps, key=lambda step: abs(step - steps[-1] / 2))
    found = [start, *(probe.measure(load_run(folder, step=step).method) for step in (half, steps[-1]))]
    kept = {name: to_json(one) for name, one in zip(MOMENTS, found, strict=True)}
    return {"start_row": {"epoch": 0, **geometry_row(start)}, **kept}


def cases(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Three policies with a linear projector, or depths and widths under the first policy."""
    if not options.depths:
        return [{"name": policy, "policy": policy, "depth": 0, "width": 0} for policy in options.policies]
    shapes = [(0, 0)] * (0 in options.depths)
    shapes += [(depth, width) for depth in options.depths if depth for width in options.widths]
    return [
        {"name": f"depth {d} width {w}", "policy": options.policies[0], "depth": d, "width": w}
        for d, w in shapes
    ]


def spread(values: list[float], digits: int = 2) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = f"{statistics.mean(known):.{digits}f}"
    return f"{mean} ± {statistics.stdev(known):.{digits}f}" if len(known) > 1 else mean


def table(done: dict[str, list[dict[str, Any]]]) -> str:
    """One row a case: what stands in the figures at the start and at the end."""
    heads = ("case", "runs", "kNN %", "rank, start", "rank, end", "h rank, end", "bound - loss, end")
    heads += ("sharing, start", "sharing, end", "unexplained, start", "unexplained, end")
    heads += ("patterns", "pieces", "distance, end")
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for name, runs in done.items():
        ends = [(run["curve"][0], run["curve"][-1]) for run in runs]

        def at(key: str, place: int, ends: list[Any] = ends) -> list[float]:
            return [pair[place].get(key) for pair in ends]

        sharing = sharing_key(runs)
        linear = ends[0][1].get("geometry_unexplained") is not None
        whole = "geometry_unexplained" if linear else "geometry_unexplained_local"
        gaps = [end["geometry_bound"] - end["geometry_loss"] for _, end in ends]
        cells = [
            name,
            str(len(runs)),
            spread([100 * run["scores"]["knn"] for run in runs if "knn" in run["scores"]], 1),
            spread(at("geometry_rank", 0), 1),
            spread(at("geometry_rank", 1), 1),
            spread(at("geometry_h_rank", 1), 1),
            spread(gaps),
            spread(at(sharing, 0)),
            spread(at(sharing, 1)),
            spread(at(whole, 0)),
            spread(at(whole, 1)),
            spread(at("geometry_distinct", 1), 0),
            spread(at("geometry_pieces", 1), 1),
            spread(at("geometry_distance_spread", 1)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def sharing_key(runs: list[dict[str, Any]]) -> str:
    """The first label column whose sharing was followed."""
    return next((key for key in runs[0]["curve"][-1] if key.startswith("geometry_sharing_")), "")


def figure(done: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Curves with the seeds' spread; spectra of the first seed at three moments; distances at the end."""
    import matplotlib.pyplot as plt

    plot, axes = plt.subplots(3, 3, figsize=(15, 12))
    flat = axes.flatten()
    for number, (name, runs) in enumerate(done.items()):
        dash = DASHES[number % len(DASHES)]
        for axis, (title, key) in zip(flat, PANELS.items(), strict=False):
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("epoch", fontsize=8)
            key = sharing_key(runs) if "sharing" in key else key
            epochs, low, middle, high = band(runs, key)
            axis.plot(epochs, middle, dash, label=name)
            axis.fill_between(epochs, low, high, alpha=0.2)
        for axis, layer in zip(flat[6:8], ("clean", "augmented"), strict=True):
            axis.set_title(f"Fig. {4 if layer == 'clean' else 9}: singular values of h, {layer}", fontsize=10)
            axis.set_yscale("log")
            for moment, width in zip(MOMENTS, (0.6, 1.2, 2.0), strict=True):
                values = runs[0][moment]["features"][layer]["singular_values"]
                axis.plot(range(1, len(values) + 1), values, dash, linewidth=width, label=f"{name}, {moment}")
        counts = runs[0]["end"]["features"]["negatives"]["histogram_spread"]
        flat[8].step(
            [2 * k / len(counts) for k in range(len(counts))], counts, dash, where="post", label=name
        )
    flat[8].set_title("Fig. 5: distance to the nearest negative, end", fontsize=10)
    for axis in (flat[0], flat[6], flat[8]):
        axis.legend(fontsize=7)
    plot.tight_layout()
    plot.savefig(path)


def band(runs: list[dict[str, Any]], key: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """Epochs, mean and mean -+ one standard deviation over seeds."""
    values: dict[float, list[float]] = {}
    for run in runs:
        for row in run["curve"]:
            if row.get(key) is not None:
                values.setdefault(row["epoch"], []).append(row[key])
    epochs = sorted(values)
    middle = [statistics.mean(values[e]) for e in epochs]
    off = [statistics.stdev(values[e]) if len(values[e]) > 1 else 0.0 for e in epochs]
    low, high = ([m + sign * s for m, s in zip(middle, off, strict=True)] for sign in (-1, 1))
    return epochs, low, middle, high


def toy(seeds: int) -> dict[str, Any]:
    """Figure 10: rank of the covariance of rotated copies of one pixel."""
    found: dict[str, Any] = {"angles": ANGLES}
    heads = " | ".join(f"{x:g}" for x in ANGLES)
    print(f"| threshold | {heads} |\n|" + " --- |" * (len(ANGLES) + 1))
    for relative in (False, True):
        for threshold in (1e-2, 1e-3, 1e-6):
            asked: dict[str, Any] = {"threshold": threshold, "relative": relative}
            ranks = [[float(rotation_rank(x, seed=s, **asked)) for s in range(seeds)] for x in ANGLES]
            name = f"{threshold:g} {'relative' if relative else 'absolute'}"
            found[name] = ranks
            print(f"| {name} | {' | '.join(spread(one, 1) for one in ranks)} |", flush=True)
    return found


def speed(images: int, dim: int) -> dict[str, Any]:
    """Seconds of one epoch's measurements of two views: by the clock, and processor time of all threads."""
    source = torch.Generator().manual_seed(0)
    clean = torch.randn(images, dim, generator=source)
    h = clean + 0.5 * torch.randn(2, images, dim, generator=source)
    labels = {"fine": torch.arange(images) % 100, "coarse": torch.arange(images) % 20}
    found: dict[str, Any] = {"images": images, "dim": dim, "threads": torch.get_num_threads()}
    for name, hidden in (("linear", ()), ("mlp", (512,))):
        projector = build_projector(ProjectorSettings(hidden=hidden, out=128), dim).eval()
        with torch.no_grad():
            z = projector(h.flatten(0, 1)).view(2, images, -1)
        seconds, busy = [], []
        for _ in range(3):
            start, busy_start = time.perf_counter(), time.process_time()
            feature_geometry(h, z, projector=projector, clean=clean, labels=labels)
            seconds.append(time.perf_counter() - start)
            busy.append(time.process_time() - busy_start)
        times = {"s": seconds, "cpu_s": busy}
        found[name] = {f"median_{key}": statistics.median(each) for key, each in times.items()} | times
    found["torch"] = torch.__version__
    print(json.dumps(found, indent=2))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of CIFAR in hub layout, or the name of a set")
    parser.add_argument("--labels", default="label", help="label columns, comma separated")
    parser.add_argument("--runs", type=Path, default=Path("runs/geometry"), help="where the runs are kept")
    parser.add_argument("--out", type=Path, help="OUT.json and OUT.svg")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), choices=POLICIES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--images", type=int, default=2000, help="images of the probe")
    parser.add_argument("--depths", type=int, nargs="*", default=[], help="hidden layers, to sweep them")
    parser.add_argument("--widths", type=int, nargs="*", default=[128, 512, 2048])
    parser.add_argument("--toy", action="store_true", help="Figure 10 alone")
    parser.add_argument("--speed", action="store_true", help="seconds of one epoch's measurements")
    parser.add_argument("--count", type=int, default=10_000, help="images of --speed")
    options = parser.parse_args()
    if options.speed:
        speed(options.count, 512)
        return
    found: dict[str, Any] = {"toy": toy(5)} if options.toy or options.out else {}
    done: dict[str, list[dict[str, Any]]] = {}
    if not options.toy:
        if options.data is None:
            parser.error("--data is needed, or --toy or --speed")
        for seed in range(options.seeds):
            for case in cases(options):
                folder = options.runs / f"{case['name'].replace(' ', '-')}-seed{seed}"
                done.setdefault(case["name"], []).append(run_case(settings_of(options, case, seed), folder))
                print(table(done), flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        records.write_json(options.out.with_suffix(".json"), {**found, "runs": done})
        if done:
            figure(done, options.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
