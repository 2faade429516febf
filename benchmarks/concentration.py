# pyright: reportMissingImports=false
"""Concentration measured: speed of the augmented distance, width of the clique brackets, where all is known.

    python benchmarks/concentration.py rate --out rate.svg
    python benchmarks/concentration.py truth --grid 9 --seconds 4
    python benchmarks/concentration.py cliques --data ../shared/data/cifar10-jpeg --images 500 1000 2000 5000

`rate`: the pairwise part as a share of the matrix product's rate on tiles of the same shape, a naive cdist loop
beside it, and how the time grows with images, views and dimension; `--out FILE.svg` plots that. `cliques`: brackets of
sigma on one class, and how long networkx and (if installed) igraph take for one threshold. `refine`: by how much a
search over parameters lowers the distance of drawn views. `truth`: estimates, and the main theorem's bound, where
all is known. JSON to stdout. `pairs.py` has the figure.
"""

import argparse
import importlib.util
import json
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from concentration_rate import rate
from concentration_truth import truth

from contrascope.augment.policy import policy
from contrascope.augment.settings import PolicySettings
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.features.nested_views import nested_views
from contrascope.features.refine_views import refine_distance
from contrascope.theory.concentration.augmented_distance import augmented_distance
from contrascope.theory.concentration.clique_curve import clique_curve
from contrascope.theory.concentration.concentration import delta_grid
from contrascope.theory.concentration.max_clique import max_clique


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
            row["ours_at_one_delta"] = with_ours(near, args.seconds)
            row["others"] = {name: timed_out(call, near, args.seconds) for name, call in others().items()}
        print(
            {key: value for key, value in row.items() if key not in ("low", "high")},
            file=sys.stderr,
            flush=True,
        )
        found.append(row)
    return {"cliques": found, "policy": args.policy, "views": args.views, "seconds": args.seconds}


def with_networkx(near: np.ndarray) -> int:
    import networkx

    unweighted: Any = None
    return len(networkx.max_weight_clique(networkx.from_numpy_array(near), weight=unweighted)[0])


def with_igraph(near: np.ndarray) -> int:
    import igraph

    return igraph.Graph.Adjacency(near.astype(int), mode="undirected").clique_number()


def others() -> dict[str, Callable[[np.ndarray], int]]:
    found = {"networkx": with_networkx}
    return found | ({"igraph": with_igraph} if importlib.util.find_spec("igraph") else {})


def with_ours(near: np.ndarray, seconds: float) -> dict[str, Any]:
    start = time.perf_counter()
    found = max_clique(near, seconds=seconds)
    return {
        "size": len(found.members),
        "upper": found.upper,
        "seconds": time.perf_counter() - start,
    }


def timed(call: Callable[[np.ndarray], int], near: np.ndarray) -> tuple[int, float]:
    start = time.perf_counter()
    return call(near), time.perf_counter() - start


def timed_out(call: Callable[[np.ndarray], int], near: np.ndarray, seconds: float) -> Any:
    """Size and seconds, or that the time ran out; in a process of its own, started before, which can be stopped."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(timed, (call, near[:3, :3]))
        try:
            size, took = pool.apply_async(timed, (call, near)).get(timeout=seconds)
        except multiprocessing.TimeoutError:
            return f"no answer in {seconds:g} s"
    return {"size": size, "seconds": took}


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("rate", "cliques", "refine", "truth"))
    parser.add_argument("--data", default="../shared/data/cifar10-jpeg")
    parser.add_argument("--images", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--per-class", type=int, default=150)
    parser.add_argument("--policy", default="ad")
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--grid", type=int, default=33)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="for the cliques of a class")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of `rate`; medians are taken")
    parser.add_argument("--out", type=Path, help="SVG file for the plot of `rate`")
    parser.add_argument("--others-up-to", type=int, default=0, help="images up to which other libraries try")
    args = parser.parse_args()
    report = {"rate": rate, "cliques": cliques, "refine": refine, "truth": truth}[args.what](args)
    machine = {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    print(json.dumps(report | {"machine": machine, "torch": torch.__version__}, indent=2))


if __name__ == "__main__":
    main()
