"""Table and figure of `benchmarks/geometry.py`."""

import itertools
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cifar10 import spread

DASHES = ("-", "--", ":", "-.")
SHARING = "geometry_sharing_"
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
FOLLOWED = {
    "rank of W, relative threshold": ("geometry_rank", 0),
    "rank of W, absolute threshold": ("geometry_rank_absolute", 0),
    "effective rank of W": ("geometry_effective_rank", 1),
    "rank of h, augmented images": ("geometry_h_rank", 0),
    "InfoNCE": ("geometry_loss", 2),
    "its upper bound": ("geometry_bound", 2),
    "nearest negative at": ("geometry_distance_spread", 2),
    "displacements unexplained": ("geometry_unexplained", 2),
}
"""Row of the table -> (key of the curve, digits); label sharing comes beside them, one row a label column."""
SWEPT = {
    "kNN of h (%)": lambda run: 100 * run["scores"]["knn"],
    "rank of the local maps": lambda run: run["curve"][-1]["geometry_rank"],
    "effective rank of the local maps": lambda run: run["curve"][-1]["geometry_effective_rank"],
    "different patterns among the images": lambda run: run["curve"][-1].get("geometry_distinct"),
    "pieces between two views": lambda run: run["curve"][-1].get("geometry_pieces"),
    "length of a piece": lambda run: ((run["end"]["features"]["projector"] or {}).get("size") or {}).get(
        "median"
    ),
    "rank of h": lambda run: run["curve"][-1]["geometry_h_rank"],
}
"""Quantity -> its value in a run."""
ONE_PIECE = {"different patterns among the images": 1, "pieces between two views": 1}
"""What a linear map has."""
Runs = dict[str, list[dict[str, Any]]]


def table(done: Runs) -> str:
    """Before training > after the first epoch > at the end: a row a quantity, a column a policy."""
    first = next(iter(done.values()))
    followed = FOLLOWED | {f"same {key.removeprefix(SHARING)}": (key, 2) for key in sharing(first)}
    rows = [
        ["runs", *(str(len(runs)) for runs in done.values())],
        ["kNN (%)", *(spread([100 * run["scores"]["knn"] for run in runs]) for runs in done.values())],
        ["rank of h, clean images, start > end", *(clean_ranks(runs) for runs in done.values())],
        *([head, *(course(runs, *how) for runs in done.values())] for head, how in followed.items()),
    ]
    return markdown(["quantity", *done], rows)


def course(runs: list[dict[str, Any]], key: str, digits: int) -> str:
    """A quantity before training, after the first epoch and at the end."""
    places = [[run["curve"][place].get(key) for run in runs] for place in (0, 1, -1)]
    return " > ".join(spread(one, digits) for one in places if None not in one) or "-"


def clean_ranks(runs: list[dict[str, Any]]) -> str:
    return " > ".join(
        spread([run[moment]["features"]["clean"]["relative"] for run in runs], 0)
        for moment in ("start", "end")
    )


def sweep_table(done: Runs) -> str:
    """What the figure of depths and widths shows: a row a projector."""
    rows = [
        [name, str(len(runs)), *(spread(found) if (found := swept(runs, title)) else "-" for title in SWEPT)]
        for name, runs in done.items()
    ]
    return markdown(["projector", "runs", *SWEPT], rows)


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def swept(runs: list[dict[str, Any]], title: str) -> list[float]:
    """A quantity of every run; a linear map has one pattern and one piece, of which there is no record."""
    values = [SWEPT[title](run) for run in runs]
    return [
        ONE_PIECE[title] if value is None else value
        for value in values
        if value is not None or title in ONE_PIECE
    ]


def sharing(runs: list[dict[str, Any]]) -> list[str]:
    """The label columns whose sharing was followed."""
    return [key for key in runs[0]["curve"][-1] if key.startswith(SHARING)]


def figure(done: Runs, toy: dict[str, Any], path: Path) -> None:
    """Curves, spectra and histograms with the seeds' spread: mean and one standard deviation."""
    import matplotlib.pyplot as plt

    first = next(iter(done.values()))
    panels = PANELS | {f"Fig. 6: same {k.removeprefix(SHARING)}": k for k in sharing(first)}
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


def shaded(axis: Any, values: Mapping[Any, list[float]], dash: str, label: str) -> None:
    places = sorted(values)
    middle = [statistics.mean(values[p]) for p in places]
    off = [statistics.stdev(values[p]) if len(values[p]) > 1 else 0.0 for p in places]
    axis.plot(places, middle, dash, label=label)
    low, high = ([m + sign * s for m, s in zip(middle, off, strict=True)] for sign in (-1, 1))
    axis.fill_between(places, low, high, alpha=0.2)


def by_epoch(runs: list[dict[str, Any]], key: str) -> dict[float, list[float]]:
    """Every seed's values of a quantity, epoch by epoch."""
    values: Mapping[Any, list[float]] = {}
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
            places = range(1, len(values[0]) + 1)
            if moment == "end":
                by_place = {
                    place: list(each) for place, each in zip(places, zip(*values, strict=True), strict=True)
                }
                shaded(axis, by_place, dash, f"{name}, end")
                continue
            middle = [statistics.mean(each) for each in zip(*values, strict=True)]
            axis.plot(places, middle, dash, linewidth=width, label=f"{name}, {moment}")


def histogram(axis: Any, done: Runs) -> None:
    axis.set_title("Fig. 5: distance to the nearest negative, end", fontsize=10)
    for (name, runs), dash in zip(done.items(), itertools.cycle(DASHES), strict=False):
        counts = [run["end"]["features"]["negatives"]["histogram_spread"] for run in runs]
        shares = [[100 * c / sum(one) for c in one] for one in counts]
        bins = len(shares[0])
        by_bin = {2 * (k + 0.5) / bins: list(each) for k, each in enumerate(zip(*shares, strict=True))}
        shaded(axis, by_bin, dash, name)
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

    plot, axes = plt.subplots(2, 4, figsize=(20, 8))
    lines: dict[str, dict[float, list[dict[str, Any]]]] = {}
    for name, runs in done.items():
        if name != "depth 0":
            _, depth, _, width = name.split()
            lines.setdefault(f"width {width}", {})[int(depth)] = runs
    for axis in axes.flatten()[len(SWEPT) :]:
        axis.axis("off")
    for axis, title in zip(axes.flatten(), SWEPT, strict=False):
        axis.set(title=title, xlabel="hidden layers of the projector")
        for (name, line), dash in zip(lines.items(), itertools.cycle(DASHES), strict=False):
            whole = ({0: done["depth 0"]} if "depth 0" in done else {}) | line
            shaded(
                axis,
                {depth: found for depth, runs in whole.items() if (found := swept(runs, title))},
                dash,
                name,
            )
        axis.legend(fontsize=8)
    plot.tight_layout()
    plot.savefig(path)
