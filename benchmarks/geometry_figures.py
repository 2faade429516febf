"""Table and figure of `benchmarks/geometry.py`."""

import itertools
import statistics
from pathlib import Path
from typing import Any

from cifar10 import spread

DASHES = ("-", "--", ":", "-.")
MOMENTS = ("start", "half", "end")
PANELS = {
    "Fig. 1: rank of the projector (relative threshold 1/100)": "geometry_rank",
    "Fig. 1: effective rank of the projector": "geometry_effective_rank",
    "Fig. 1: kNN on held-out training images": "knn_held_out",
    "Fig. 3: InfoNCE": "geometry_loss",
    "Fig. 3: its upper bound": "geometry_bound",
    "Fig. 7: displacements unexplained": "geometry_unexplained",
    "Fig. 5: median distance to the nearest negative": "geometry_distance_spread",
}
"""Quantities against epochs; those of Figure 6 come beside them, one a label column."""
SPECTRA = {"clean": "Fig. 4", "augmented": "Fig. 9"}
COLUMNS = {
    "rank, start": ("geometry_rank", 0, 1),
    "rank, end": ("geometry_rank", 1, 1),
    "effective rank, start": ("geometry_effective_rank", 0, 1),
    "effective rank, end": ("geometry_effective_rank", 1, 1),
    "absolute rank, end": ("geometry_rank_absolute", 1, 1),
    "h rank, end": ("geometry_h_rank", 1, 1),
    "InfoNCE, start": ("geometry_loss", 0, 2),
    "InfoNCE, end": ("geometry_loss", 1, 2),
    "patterns": ("geometry_distinct", 1, 0),
    "pieces": ("geometry_pieces", 1, 1),
    "distance, start": ("geometry_distance_spread", 0, 2),
    "distance, end": ("geometry_distance_spread", 1, 2),
}
"""Heading -> (key, 0 for the start and 1 for the end, digits)."""
SWEPT = {
    "kNN of h (%)": lambda run: 100 * run["scores"]["knn"],
    "rank of the local maps": lambda run: run["curve"][-1]["geometry_rank"],
    "effective rank of the local maps": lambda run: run["curve"][-1]["geometry_effective_rank"],
    "different patterns among the images": lambda run: run["curve"][-1].get("geometry_distinct"),
    "pieces between two views": lambda run: run["curve"][-1].get("geometry_pieces"),
    "rank of h": lambda run: run["curve"][-1]["geometry_h_rank"],
}
"""Quantity -> its value in a run; patterns and pieces are 1 for a linear map, which has no record of them."""
Runs = dict[str, list[dict[str, Any]]]


def measured_spread(values: list[Any], digits: int = 2) -> str:
    """Mean and standard deviation of what was measured; a dash where nothing was."""
    known = [value for value in values if value is not None]
    return spread(known, digits) if known else "-"


def table(done: Runs) -> str:
    """One row a case: what stands in the figures at the start and at the end. Columns without a value are left out."""
    rows = {name: cells(runs) for name, runs in done.items()}
    heads = [head for head in next(iter(rows.values())) if any(row[head] != "-" for row in rows.values())]
    lines = [f"| case | {' | '.join(heads)} |", "|" + " --- |" * (len(heads) + 1)]
    return "\n".join([*lines, *(f"| {n} | {' | '.join(row[h] for h in heads)} |" for n, row in rows.items())])


def cells(runs: list[dict[str, Any]]) -> dict[str, str]:
    ends = [(run["curve"][0], run["curve"][-1]) for run in runs]

    def at(key: str, place: int) -> list[Any]:
        return [pair[place].get(key) for pair in ends]

    gaps = [end["geometry_bound"] - end["geometry_loss"] for _, end in ends]
    whole = "geometry_unexplained"
    if at(whole, 1)[0] is None:
        whole = "geometry_unexplained_local"
    found = {
        "runs": str(len(runs)),
        "kNN %": measured_spread([100 * run["scores"]["knn"] for run in runs], 1),
    }
    found |= {head: measured_spread(at(key, place), digits) for head, (key, place, digits) in COLUMNS.items()}
    found["bound - loss, end"] = measured_spread(gaps)
    for when, place in (("start", 0), ("end", 1)):
        found |= {
            f"{key.removeprefix('geometry_sharing_')} shared, {when}": measured_spread(at(key, place))
            for key in sharing(runs)
        }
        found[f"unexplained, {when}"] = measured_spread(at(whole, place))
    return found


def sharing(runs: list[dict[str, Any]]) -> list[str]:
    """The label columns whose sharing was followed."""
    return [key for key in runs[0]["curve"][-1] if key.startswith("geometry_sharing_")]


def figure(done: Runs, toy: dict[str, Any], path: Path) -> None:
    """Curves, spectra and histograms with the seeds' spread: mean and one standard deviation."""
    import matplotlib.pyplot as plt

    first = next(iter(done.values()))
    panels = PANELS | {f"Fig. 6: same {k.removeprefix('geometry_sharing_')}": k for k in sharing(first)}
    plot, axes = plt.subplots(3, 5, figsize=(25, 12))
    flat = iter(axes.flatten())
    for title, key in panels.items():
        axis = next(flat)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch", fontsize=8)
        for (name, runs), dash in zip(done.items(), itertools.cycle(DASHES), strict=False):
            shaded(axis, by_epoch(runs, key), dash, name)
    for layer, number in SPECTRA.items():
        spectra(next(flat), done, layer, f"{number}: singular values of h, {layer} images")
    histogram(next(flat), done)
    rank_of_rotations(next(flat), toy)
    for axis in flat:
        axis.axis("off")
    for axis in axes.flatten():
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=7)
    plot.tight_layout()
    plot.savefig(path)


def shaded(axis: Any, values: dict[float, list[float]], dash: str, label: str) -> None:
    places = sorted(values)
    middle = [statistics.mean(values[p]) for p in places]
    off = [statistics.stdev(values[p]) if len(values[p]) > 1 else 0.0 for p in places]
    axis.plot(places, middle, dash, label=label)
    low, high = ([m + sign * s for m, s in zip(middle, off, strict=True)] for sign in (-1, 1))
    axis.fill_between(places, low, high, alpha=0.2)


def by_epoch(runs: list[dict[str, Any]], key: str) -> dict[float, list[float]]:
    """Every seed's values of a quantity, epoch by epoch."""
    values: dict[float, list[float]] = {}
    for run in runs:
        for row in run["curve"]:
            if row.get(key) is not None:
                values.setdefault(row["epoch"], []).append(row[key])
    return values


def spectra(axis: Any, done: Runs, layer: str, title: str) -> None:
    """The end with its spread; start and half-way as thin lines of the mean."""
    axis.set_title(title, fontsize=10)
    axis.set_yscale("log")
    for (name, runs), dash in zip(done.items(), itertools.cycle(DASHES), strict=False):
        for moment, width in zip(MOMENTS, (0.4, 0.8, 1.8), strict=True):
            values = [run[moment]["features"][layer]["singular_values"] for run in runs]
            middle = [statistics.mean(each) for each in zip(*values, strict=True)]
            axis.plot(range(1, len(middle) + 1), middle, dash, linewidth=width, label=f"{name}, {moment}")


def histogram(axis: Any, done: Runs) -> None:
    axis.set_title("Fig. 5: distance to the nearest negative, end", fontsize=10)
    for (name, runs), dash in zip(done.items(), itertools.cycle(DASHES), strict=False):
        counts = [run["end"]["features"]["negatives"]["histogram_spread"] for run in runs]
        shares = [[100 * c / sum(one) for c in one] for one in counts]
        middle = [statistics.mean(each) for each in zip(*shares, strict=True)]
        places = [2 * k / len(middle) for k in range(len(middle))]
        axis.step(places, middle, dash, where="post", label=name)
    axis.set_ylabel("images (%)", fontsize=8)


def rank_of_rotations(axis: Any, toy: dict[str, Any]) -> None:
    axis.set_title("Fig. 10: rank of rotated pixels", fontsize=10)
    axis.set(xscale="log", xlabel="range of angles (degrees)")
    for (name, ranks), dash in zip(toy.items(), itertools.cycle(DASHES), strict=False):
        if name != "angles":
            shaded(axis, dict(zip(toy["angles"], ranks, strict=True)), dash, name)


def sweep(done: Runs, path: Path) -> None:
    """Accuracy, rank and regions against depth, a line a width; depth 0 belongs to every line."""
    import matplotlib.pyplot as plt

    plot, axes = plt.subplots(2, 3, figsize=(15, 8))
    lines: dict[str, dict[float, list[dict[str, Any]]]] = {}
    for name, runs in done.items():
        if name != "depth 0":
            _, depth, _, width = name.split()
            lines.setdefault(f"width {width}", {})[int(depth)] = runs
    for axis, (title, value) in zip(axes.flatten(), SWEPT.items(), strict=True):
        axis.set(title=title, xlabel="hidden layers of the projector")
        for (name, line), dash in zip(lines.items(), itertools.cycle(DASHES), strict=False):
            whole = ({0: done["depth 0"]} if "depth 0" in done else {}) | line
            shaded(
                axis,
                {d: [1 if value(r) is None else value(r) for r in runs] for d, runs in whole.items()},
                dash,
                name,
            )
        axis.legend(fontsize=8)
    plot.tight_layout()
    plot.savefig(path)
