"""Figures 1, 3 to 7, 9 and 10 of Cosentino et al. 2022 (arXiv:2205.06926), one command, resumable.

    python benchmarks/geometry.py --data ../shared/data/cifar10-jpeg --coarse cifar10 --runs runs/geometry \
        --out docs/figures/geometry
    python benchmarks/geometry.py --data ../shared/data/tiny-imagenet-200 --coarse tiny-imagenet --size 32 ...
    python benchmarks/geometry.py --coarse shapes ...
    python benchmarks/geometry.py --speed
    python benchmarks/geometry.py --toy
    python benchmarks/geometry.py --data ... --runs runs/depth --depths 0 1 2 3 --widths 128 512 2048 --seeds 1

SimCLR with a linear projector, temperature 0.5 (the paper's beta = 2), three policies, several seeds, on the CPU's
convnet. `--coarse` gives CIFAR-10, Tiny-ImageNet or the built-in shapes a coarse label (a copy in RUNS/data): vehicle
or animal; animal, thing, food or nature; round or with corners. Deviations from the paper (a table in
docs/geometry.md): it has CIFAR-100's labels, its loss has no positive in the denominator (NT-Xent has), its encoder is
a ResNet-18, its optimiser LARS with weight decay 1e-6; views here have `--view-side` 24 of the images' 32 px. Runs that
are finished are read, unfinished ones go on where they stopped. Writes OUT.json with every number and OUT.svg (needs
matplotlib: `make bench`), and prints a table.
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
from cifar10 import spread
from coarse_labels import COARSE, with_coarse
from geometry_figures import MOMENTS, figure, sweep, sweep_table, table
from torch import Tensor

from contrascope import records
from contrascope.augment.settings import PolicySettings
from contrascope.data.open import open_images
from contrascope.diagnosis.geometry import feature_geometry
from contrascope.diagnosis.settings import GeometryProbeSettings, MonitorSettings
from contrascope.encoders.projector import build_projector
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.geometry.generators import fit_generator, kernel_share
from contrascope.geometry.tangent import operation_cell, tangent
from contrascope.geometry.toys import rotation_rank
from contrascope.jobs.geometry_probe import GeometryProbe, geometry_row
from contrascope.jobs.train import train
from contrascope.machine.device import default_device
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import read_record
from contrascope.runs.build import build
from contrascope.runs.folder import check_request
from contrascope.runs.here import recipe_here
from contrascope.runs.load import load_run, policies_for
from contrascope.runs.settings import RunSettings
from contrascope.settings import to_json
from contrascope.training.settings import OptimSettings

POLICIES = ("large", "moderate", "small")
CURVES = "geometry_curves.json"
ANGLES = (1.0, 5.0, 10.0, 20.0, 45.0, 90.0, 180.0, 360.0)


def settings_of(options: argparse.Namespace, case: dict[str, Any], seed: int) -> RunSettings:
    base = recipe_here("cifar10-simclr-cpu")
    data = replace(base.data, source=str(options.data), labels=options.labels, size=options.size)
    per_epoch = len(open_images(data)) // options.batch
    training = replace(
        base.training,
        seed=seed,
        epochs=options.epochs,
        batch_size=options.batch,
        keep_every=per_epoch * max(1, options.epochs // 2),
        probe_every=1,
    )
    hidden = (case["width"],) * case["depth"]
    encoder, optim = base.encoder, base.optim
    if options.encoder:
        encoder = EncoderSettings(name=options.encoder)
    if options.lars:  # the paper's: 4.0 for its batch, which it does not give
        optim = OptimSettings(name="lars", lr=options.lars, weight_decay=1e-6, exclude_norm_and_bias=True)
    return replace(
        base,
        data=data,
        encoder=encoder,
        optim=optim,
        policy=PolicySettings(name=f"cosentino-{case['policy']}", size=options.view_side),
        method=SimCLRSettings(
            temperature=0.5, projector=ProjectorSettings(hidden=hidden, out=128, bias=bool(hidden))
        ),
        training=training,
        monitor=MonitorSettings(times=0),
        geometry=GeometryProbeSettings(times=options.epochs, images=options.images, operations=()),
    )


def run_case(settings: RunSettings, folder: Path) -> dict[str, Any]:
    """Train if that is not done, measure the start, the middle and the end, and read everything back."""
    if (folder / records.SETTINGS).exists():
        check_request(
            settings, folder, resume=True
        )  # a finished run with other settings is not what was asked for
    if not (folder / records.EVALUATION).exists():
        train(settings, folder, resume=True)
    path = folder / CURVES
    if not path.exists():
        records.write_json(path, measured(settings, folder))
    found = records.read_json(path)
    found["curve"] = [found["start_row"], *probed(folder)]
    scores = read_record(EvaluationRecord, folder / records.EVALUATION).require("rows").rows
    found["scores"] = {row.name: row.value for row in scores if row.of == "trained encoder"}
    return found


def probed(folder: Path) -> list[dict[str, Any]]:
    """One row an epoch: what all probes told."""
    rows: dict[float, dict[str, Any]] = {}
    for row in records.read_metrics(folder / records.METRICS):
        if row.get("kind") == "probe":
            rows[row["epoch"]] = rows.get(row["epoch"], {}) | row
    return [rows[epoch] for epoch in sorted(rows)]


def measured(settings: RunSettings, folder: Path) -> dict[str, Any]:
    """The whole geometry before training, half-way and at the end, on the probe's images and views."""
    images = open_images(settings.data)
    probe = GeometryProbe(
        images,
        policies_for(settings.policy, images),
        settings=settings.geometry,
        epochs=settings.training.epochs,
        seed=settings.training.seed,
        device=default_device(),
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
        {
            "name": f"depth {d} width {w}" if d else "depth 0",
            "policy": options.policies[0],
            "depth": d,
            "width": w,
        }
        for d, w in shapes
    ]


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


PROJECTORS = {
    "linear": ProjectorSettings(hidden=(), out=128),
    "mlp": ProjectorSettings(hidden=(512,), out=128),
    "wide": ProjectorSettings(hidden=(2048, 2048), out=2048, batch_norm=True),
}
"""Of --speed; the last is Barlow Twins' and VICReg's."""


def speed(images: int, dim: int) -> dict[str, Any]:
    """Seconds of one epoch's measurements of two views: by the clock, and processor time of all threads."""
    source = torch.Generator().manual_seed(0)
    clean = torch.randn(images, dim, generator=source)
    h = clean + 0.5 * torch.randn(2, images, dim, generator=source)
    labels = {"fine": torch.arange(images) % 100, "coarse": torch.arange(images) % 20}
    found: dict[str, Any] = {"images": images, "dim": dim, "threads": torch.get_num_threads()}
    for name, how in PROJECTORS.items():
        projector = build_projector(how, dim).eval()
        with torch.no_grad():
            z = projector(h.flatten(0, 1)).view(2, images, -1)
        whole = {"projector": projector, "clean": clean, "labels": labels}
        found[name] = timed(lambda z=z, whole=whole: feature_geometry(h, z, **whole))
    strength = torch.rand(images, generator=source) - 0.5
    matrix = torch.randn(dim, 128, generator=source)
    found["one operation, linear"] = timed(lambda: one_operation(clean, h[0], strength, matrix))
    found["torch"] = torch.__version__
    print(json.dumps(found, indent=2))
    return found


def one_operation(clean: Tensor, moved: Tensor, strength: Tensor, matrix: Tensor) -> None:
    """What an operation adds once its images are embedded: cells of both layers, the tangent, the generator."""
    operation_cell(clean, moved)
    operation_cell(clean @ matrix, moved @ matrix)
    tangent(matrix, moved - clean)
    kernel_share(matrix, fit_generator(clean, moved, strength, subspace=64).matrix)


def timed(work: Callable[[], Any], times: int = 3) -> dict[str, Any]:
    seconds, busy = [], []
    for _ in range(times):
        start, busy_start = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - busy_start)
    found = {"s": seconds, "cpu_s": busy}
    return {f"median_{key}": statistics.median(each) for key, each in found.items()} | found


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of CIFAR in hub layout, or the name of a set")
    parser.add_argument("--labels", default="label", help="label columns, comma separated")
    parser.add_argument(
        "--coarse", choices=COARSE, help="which set it is: gives it a coarse label, in RUNS/data"
    )
    parser.add_argument("--size", type=int, help="side to which larger images are shrunk")
    parser.add_argument("--runs", type=Path, default=Path("runs/geometry"), help="where the runs are kept")
    parser.add_argument("--out", type=Path, help="OUT.json and OUT.svg")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), choices=POLICIES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--encoder", help="in place of the convnet: resnet18 on a GPU")
    parser.add_argument("--lars", type=float, help="LARS with this learning rate in place of AdamW")
    parser.add_argument("--view-side", type=int, default=24, help="side of the views in px")
    parser.add_argument("--images", type=int, default=2000, help="images of the probe")
    parser.add_argument("--depths", type=int, nargs="*", default=[], help="hidden layers, to sweep them")
    parser.add_argument("--widths", type=int, nargs="*", default=[128, 512, 2048])
    parser.add_argument("--toy", action="store_true", help="Figure 10 alone")
    parser.add_argument("--speed", action="store_true", help="seconds of one epoch's measurements")
    parser.add_argument("--count", type=int, default=10_000, help="images of --speed")
    options = parser.parse_args()
    if options.coarse and not (options.toy or options.speed):
        options.data, options.labels = with_coarse(options.coarse, options.data, options.runs / "data")
    if options.data is None and not (options.toy or options.speed):
        parser.error("--data is needed, or --coarse shapes, --toy or --speed")
    return options


def every_case(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """All runs by case; the table so far is printed after every run."""
    done: dict[str, list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        for case in cases(options):
            folder = options.runs / f"{case['name'].replace(' ', '-')}-seed{seed}"
            done.setdefault(case["name"], []).append(run_case(settings_of(options, case, seed), folder))
            print((sweep_table if options.depths else table)(done), "\n", flush=True)
    return done


def main() -> None:
    options = asked()
    if options.speed:
        speed(options.count, 512)
        return
    found: dict[str, Any] = {"toy": toy(5)} if options.toy or options.out else {}
    done = {} if options.toy else every_case(options)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        records.write_json(options.out.with_suffix(".json"), {**found, "runs": done})
        if done and options.depths:
            sweep(done, options.out.with_suffix(".svg"))
        elif done:
            figure(done, found["toy"], options.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
