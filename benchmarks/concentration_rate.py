"""How fast the augmented distance is, and how its time grows: the part `rate` of `concentration.py`."""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contrascope.theory.concentration.augmented_distance import BLOCK_FLOATS, augmented_distance

SWEEPS = {
    "images": [(100, 8, 3072), (200, 8, 3072), (400, 8, 3072), (800, 8, 3072)],
    "views": [(200, 4, 3072), (200, 8, 3072), (200, 16, 3072), (200, 32, 3072)],
    "dim": [(200, 8, 768), (200, 8, 1536), (200, 8, 3072), (200, 8, 6144), (200, 8, 12288)],
}
"""Shapes (images, views, dimension) in which one number grows."""
PLACE = {"images": 0, "views": 1, "dim": 2}


def seconds_of(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def naive(views: torch.Tensor) -> list[list[torch.Tensor]]:
    """What one would write first: one cdist an image pair."""
    rows = views.transpose(0, 1)
    return [[torch.cdist(a, b).min() for b in rows[i + 1 :]] for i, a in enumerate(rows)]


def measure(shape: tuple[int, int, int], repeats: int) -> dict[str, Any]:
    """Medians over `repeats` rounds, in each of which all contenders run in turn."""
    n, num_views, dim = shape
    bytes_ = torch.randint(
        0, 256, (num_views, n, dim), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    floats = bytes_.float() / 255
    side = min(math.isqrt(BLOCK_FLOATS), n * num_views)
    a, b = torch.rand(side, dim), torch.rand(side, dim)
    few = floats[:, : min(n, 40)]
    calls = {
        "product": lambda: a @ b.T,
        "float32": lambda: augmented_distance(floats),
        "bytes": lambda: augmented_distance(bytes_),
        "few": lambda: augmented_distance(few),
        "cdist": lambda: naive(few),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            took = seconds_of(call)
            times[name] += [took] if turn else []  # the first round warms up
    multiplications = n * (n + 1) / 2 * num_views**2 * dim
    needed = [took * multiplications / (side * side * dim) for took in times["product"]]
    row: dict[str, Any] = {"images": n, "views": num_views, "dim": dim, "side": side}
    row["mm_gflops"] = 2e-9 * side * side * dim / statistics.median(times["product"])
    for name in ("float32", "bytes"):
        row[f"{name}_seconds"] = statistics.median(times[name])
        row[f"{name}_share_of_mm_rate"] = statistics.median(
            ideal / took for ideal, took in zip(needed, times[name], strict=True)
        )
    row["cdist_loop_over_float32"] = statistics.median(
        loop / ours for loop, ours in zip(times["cdist"], times["few"], strict=True)
    )
    return row


def rate(args: argparse.Namespace) -> dict[str, Any]:
    known: dict[tuple[int, int, int], dict[str, Any]] = {}
    for shape in sorted({shape for sweep in SWEEPS.values() for shape in sweep}):
        known[shape] = measure(shape, args.repeats)
        print(known[shape], file=sys.stderr, flush=True)
    exponents = {
        name: {kind: exponent(name, kind, known) for kind in ("float32", "bytes")} for name in SWEEPS
    }
    print("exponents", exponents, file=sys.stderr, flush=True)
    if args.out:
        draw(known, exponents, args.out)
    return {"rate": list(known.values()), "exponents": exponents}


def exponent(name: str, kind: str, known: dict[tuple[int, int, int], dict[str, Any]]) -> float:
    """Slope of log seconds against the log of the number that grows, least squares."""
    x = [math.log(shape[PLACE[name]]) for shape in SWEEPS[name]]
    y = [math.log(known[shape][f"{kind}_seconds"]) for shape in SWEEPS[name]]
    return float(np.polyfit(x, y, 1)[0])


def draw(
    known: dict[tuple[int, int, int], dict[str, Any]], exponents: dict[str, dict[str, float]], out: Path
) -> None:
    """Three panels, seconds against images, views and dimension, logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axis, (name, sweep) in zip(figure.subplots(1, 3), SWEEPS.items(), strict=True):
        for kind, marker in (("float32", "o"), ("bytes", "s")):
            x, y = (
                [shape[PLACE[name]] for shape in sweep],
                [known[shape][f"{kind}_seconds"] for shape in sweep],
            )
            axis.loglog(x, y, marker=marker, label=f"{kind}: exponent {exponents[name][kind]:.2f}")
        fixed = {key: value for key, value in zip(PLACE, sweep[0], strict=True) if key != name}
        axis.set_xticks(x, [str(value) for value in x])
        axis.minorticks_off()
        axis.set(xlabel=name, title=", ".join(f"{key} {value}" for key, value in fixed.items()))
        axis.legend(fontsize="small")
        axis.set_ylabel("seconds")
    figure.savefig(out, metadata={"Date": None})
