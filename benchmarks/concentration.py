"""Concentration measured: speed of the augmented distance, width of the clique brackets, the paper's figure.

    python benchmarks/concentration.py rate
    python benchmarks/concentration.py cliques --data ../shared/data/cifar10-jpeg --images 500 1000 2000 5000
    python benchmarks/concentration.py figure --data ../shared/data/cifar10-jpeg --out runs/concentration

`rate`: the pairwise part as a share of the matrix product's rate on tiles of the same shape, a naive cdist loop
beside it, and how the time grows with images, views and dimension. `cliques`: brackets of sigma on one class, and
how long networkx and (if installed) igraph take for one threshold. `figure`: 1 - sigma of the ten pairs of
operations (Huang et al. 2023, figure 3), raw and normalised pixels; finished parts are read back. `refine`: by how
much a search over parameters lowers the distance of drawn views. `truth`: estimates where all is known. JSON to stdout.
"""

import argparse
import importlib.util
import itertools
import json
import math
import multiprocessing
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contrascope import records
from contrascope.augment.policy import policy
from contrascope.augment.presets import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.features.nested_views import nested_views, policy_name
from contrascope.features.refine_views import refine_distance
from contrascope.theory.augmented_distance import BLOCK_FLOATS, augmented_distance, normalised_pixels
from contrascope.theory.clique_curve import clique_curve
from contrascope.theory.concentration import concentration, delta_grid
from contrascope.theory.shift_world import shift_distance, shift_views

SHAPES = ((200, 8, 3072), (400, 8, 3072), (200, 16, 3072), (200, 8, 768), (1000, 2, 512))
"""Images, views, dimension."""


def seconds_of(call, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def naive(views):
    """What one would write first: one cdist an image pair."""
    rows = views.transpose(0, 1)
    return [[torch.cdist(a, b).min() for b in rows[i + 1 :]] for i, a in enumerate(rows)]


def rate(args: argparse.Namespace) -> dict[str, Any]:
    source, found = torch.Generator().manual_seed(0), []
    for n, num_views, dim in SHAPES:
        bytes_ = torch.randint(0, 256, (num_views, n, dim), dtype=torch.uint8, generator=source)
        floats = bytes_.float() / 255
        side = max(1, math.isqrt(BLOCK_FLOATS) // num_views) * num_views
        a, b = torch.rand(min(side, n * num_views), dim), torch.rand(min(side, n * num_views), dim)
        product = seconds_of(lambda a=a, b=b: a @ b.T, 5) / (len(a) * len(b) * dim)
        needed = n * (n + 1) / 2 * num_views**2 * dim * product
        row = {"images": n, "views": num_views, "dim": dim, "mm_gflops": 2e-9 / product}
        for name, views in (("float32", floats), ("bytes", bytes_)):
            row[f"{name}_seconds"] = seconds_of(lambda views=views: augmented_distance(views))
            row[f"{name}_share_of_mm_rate"] = needed / row[f"{name}_seconds"]
        few = min(n, 60)
        loop = seconds_of(lambda floats=floats, few=few: naive(floats[:, :few]), 1)
        row["cdist_loop_over_float32"] = loop / seconds_of(
            lambda floats=floats, few=few: augmented_distance(floats[:, :few])
        )
        print(row, file=sys.stderr, flush=True)
        found.append(row)
    return {"rate": found}


def load(
    path: str, *, split: str, per_class: int, classes: int | None = None
) -> tuple[ImageSet, torch.Tensor]:
    images = open_images(DataSettings(source=path, split=split))
    y = images.labels[next(iter(images.labels))]
    wanted = y.unique()[:classes]
    ids = torch.cat([(y == label).nonzero().flatten()[:per_class] for label in wanted])
    return images.select(ids), y[ids]


def cliques(args: argparse.Namespace) -> dict[str, Any]:
    images, _ = load(args.data, split="train", per_class=max(args.images), classes=1)
    found = []
    for n in args.images:
        part = images.gather(torch.arange(n))
        made = nested_views(
            part, [PolicySettings(name=args.policy)], ids=torch.arange(n), num_views=args.views
        )
        (views,) = made.views.values()
        start = time.perf_counter()
        distance = augmented_distance(views.flatten(2))
        took = time.perf_counter() - start
        grid = delta_grid(distance, torch.zeros(n, dtype=torch.int64), size=args.grid)
        start = time.perf_counter()
        curve = clique_curve(distance.double().numpy(), grid.tolist(), seconds=args.seconds)
        spent = time.perf_counter() - start
        low = np.array([len(clique) for clique in curve.cliques]) / n
        high = np.array(curve.upper) / n
        middle = slice(len(low) // 4, len(low) - len(low) // 4)
        row = {
            "images": n,
            "distance_seconds": took,
            "curve_seconds": spent,
            "middle_width": float((high - low)[middle].max()),
            "middle_mean_width": float((high - low)[middle].mean()),
            "exact": int((high == low).sum()),
            "low": low.round(4).tolist(),
            "high": high.round(4).tolist(),
        }
        if n <= args.others_up_to:
            near = distance.numpy() <= float(grid[len(grid) // 2])
            np.fill_diagonal(near, False)
            row["others"] = {name: timed_out(call, near, args.seconds) for name, call in others().items()}
        print(
            {key: value for key, value in row.items() if key not in ("low", "high")},
            file=sys.stderr,
            flush=True,
        )
        found.append(row)
    return {"cliques": found, "policy": args.policy, "views": args.views, "seconds": args.seconds}


def with_networkx(near):
    import networkx

    return len(networkx.max_weight_clique(networkx.from_numpy_array(near), weight=None)[0])


def with_igraph(near):
    import igraph

    return igraph.Graph.Adjacency(near.astype(int), mode="undirected").clique_number()


def others():
    found = {"networkx": with_networkx}
    return found | ({"igraph": with_igraph} if importlib.util.find_spec("igraph") else {})


def timed_out(call, near, seconds):
    """Seconds and size, or that the time ran out; in a process of its own, which can be stopped."""
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            size = pool.apply_async(call, (near,)).get(timeout=seconds)
        except multiprocessing.TimeoutError:
            return f"no answer in {seconds} s"
    return {"size": size, "seconds": time.perf_counter() - start}


def figure(args: argparse.Namespace) -> dict[str, Any]:
    """1 - sigma of the ten pairs; a record a policy, in the unit of pixels, so that a stopped run goes on."""
    args.out.mkdir(parents=True, exist_ok=True)
    images, y = load(args.data, split="test", per_class=args.per_class)
    pairs = ["".join(pair) for pair in itertools.combinations("abcde", 2)]
    settings = [PolicySettings(name=name, strength=args.strength) for name in [*"abcde", *pairs]]
    settings = [
        PolicySettings(name=one.name, strength=one.strength if "d" in one.name else None) for one in settings
    ]
    results: dict[str, Any] = {}
    for space in ("raw", "normalised"):
        path = args.out / f"{space}.json"
        results[space] = (
            records.read_json(path) if path.exists() else measure(images, y, settings, space, args)
        )
        records.write_json(path, results[space])
    return {"figure": results, "per_class": args.per_class, "views": args.views, "strength": args.strength}


def measure(images, y, settings, space, args):
    distances = {policy_name(one): torch.zeros(len(y), len(y)) for one in settings}
    for label in y.unique():
        ids = (y == label).nonzero().flatten()
        made = nested_views(images.gather(ids), settings, ids=ids, num_views=args.views)
        for name, views in made.views.items():
            rows = views.flatten(2)
            rows = rows if space == "raw" else normalised_pixels(rows)
            distances[name][ids[:, None], ids] = augmented_distance(rows)
        print(f"{space}: distances of class {int(label)}", file=sys.stderr, flush=True)
    deltas = delta_grid(distances["a"], y, size=4, low=0.02, high=0.2)
    table = {}
    for name in sorted(distances, key=lambda name: (len(name.split("@")[0]), name)):
        # images of two classes have distance 0 here, but only classes are looked at
        found = concentration(distances[name], y, deltas, seconds=args.seconds)
        table[name] = {
            "one_minus_mean_sigma": [
                [round(1 - high, 4), round(1 - low, 4)]
                for low, high in zip(found.mean_low.tolist(), found.mean_high.tolist(), strict=True)
            ],
            "one_minus_sigma": [
                [round(1 - high, 4), round(1 - low, 4)]
                for low, high in zip(found.sigma_low.tolist(), found.sigma_high.tolist(), strict=True)
            ],
            "distinct_views": made.distinct[name],
        }
        print(f"{space}: {name} {table[name]['one_minus_mean_sigma']}", file=sys.stderr, flush=True)
    return {"deltas": deltas.tolist(), "policies": table}


def refine(args: argparse.Namespace) -> dict[str, Any]:
    images, _ = load(args.data, split="test", per_class=args.per_class, classes=1)
    part, found = images.gather(torch.arange(len(images))), {}
    source = torch.Generator().manual_seed(0)
    pairs = torch.randint(len(part), (args.pairs, 2), generator=source)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    for letters in ("a", "ad", "abcde"):
        for num_views in (8, 32):
            some = refine_distance(
                part,
                policy(letters),
                pairs,
                ids=torch.arange(len(part)),
                num_views=num_views,
                rounds=args.rounds,
            )
            found[f"{letters}, {num_views} views"] = {
                "before": some.before.mean().item(),
                "after": some.after.mean().item(),
                "fall": some.fall,
            }
            print(letters, num_views, found[f"{letters}, {num_views} views"], file=sys.stderr, flush=True)
    return {"refine": found}


def truth(args: argparse.Namespace) -> dict[str, Any]:
    """Estimates against the known distance and sigma of colour shifts on rendered shapes."""
    images, _ = load("shapes", split="train", per_class=60, classes=1)
    pixels = images.gather(torch.arange(len(images))).double().flatten(2) / 255
    y, reach = torch.zeros(len(pixels), dtype=torch.int64), 0.2
    known = shift_distance(pixels, reach=reach)
    grid = delta_grid(known, y, size=args.grid)
    target = concentration(known, y, grid, seconds=args.seconds)
    found = []
    for num_views in (1, 2, 4, 8, 16, 32, 64, 128):
        distance = augmented_distance(shift_views(pixels, reach=reach, num_views=num_views))
        curve = concentration(distance, y, grid, seconds=args.seconds)
        row = {
            "views": num_views,
            "mean_distance_error": ((distance - known).sum() / known.sum()).item(),
            "mean_sigma_error": (target.lower - curve.lower).mean().item(),
            "largest_sigma_error": (target.lower - curve.lower).max().item(),
            "exact": bool(curve.exact.all() and target.exact.all()),
        }
        print(row, file=sys.stderr, flush=True)
        found.append(row)
    logs = [(math.log(row["views"]), math.log(row["mean_distance_error"])) for row in found[3:]]
    return {"truth": found, "slope_of_distance_error": float(np.polyfit(*zip(*logs, strict=True), 1)[0])}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("rate", "cliques", "figure", "refine", "truth"))
    parser.add_argument("--data", default="../shared/data/cifar10-jpeg")
    parser.add_argument("--images", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--per-class", type=int, default=150)
    parser.add_argument("--policy", default="ad")
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--grid", type=int, default=33)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="for the cliques of a class")
    parser.add_argument("--others-up-to", type=int, default=0, help="images up to which other libraries try")
    parser.add_argument("--out", type=Path, default=Path("runs/concentration"))
    args = parser.parse_args()
    report = {"rate": rate, "cliques": cliques, "figure": figure, "refine": refine, "truth": truth}[
        args.what
    ](args)
    machine = {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    print(json.dumps(report | {"machine": machine, "torch": torch.__version__}, indent=2))


if __name__ == "__main__":
    main()
