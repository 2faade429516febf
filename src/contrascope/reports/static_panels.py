"""What a static figure shows: panels of curves, or maps, from the records of one run or several."""

import html
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.errors import InputError, did_you_mean
from contrascope.progress import Say, unheard
from contrascope.records.entry import Tree
from contrascope.records.lookup import value_at
from contrascope.records.metrics import MetricsRow, row_of
from contrascope.records.row_words import row_word
from contrascope.records.vocabulary import LAYERS
from contrascope.reports import curves, curves_of_views, geometry, geometry_facts
from contrascope.reports import points as map_points
from contrascope.reports.blocks import Figure, Map
from contrascope.reports.comparison.runs import unique_names
from contrascope.reports.load import RunRecords, estimate, load, number
from contrascope.reports.sections import guarded
from contrascope.reports.sentences.plane import NEEDED, PLANE, plane
from contrascope.reports.static_blocks import Cells, DrawnCurve, Panel, Panels, Points

SINGLE: dict[str, Callable[[RunRecords], Any]] = {
    "loss": curves.followed("loss"),
    "learning-rate": curves.followed("rate"),
    "uniformity": curves.followed("spread"),
    "retrieval": curves.followed("learning"),
    "ranks": curves.followed("ranks"),
    "spectrum": curves_of_views.spectra,
    "r-epsilon": curves_of_views.r_epsilon,
    "concentration-curves": curves_of_views.concentration,
    "bound": curves.followed("bound"),
    "projector-rank": curves.followed("projector"),
    "nearest-negative": geometry_facts.negatives,
}
"""Figures that the page draws too."""
NAMES = ("alignment-divergence", *SINGLE, "map", "operations", PLANE)
"""Every figure that can be drawn."""
_WRITTEN = "It is in geometry.json, which contrascope geometry RUN writes."
_FOLLOWED = "It is followed in training with --probe geometry."
MEASURED = {
    "operations": _WRITTEN,
    "nearest-negative": _WRITTEN,
    "bound": _FOLLOWED,
    "projector-rank": _FOLLOWED,
    PLANE: NEEDED,
}
"""Where the numbers of a figure come from that no run has unasked."""
QUANTITIES = (
    ("Alignment of views (0: fall together)", "alignment", "alignment"),
    ("Divergence: closest class centres", "max_cosine", "largest cosine of centres"),
    ("Divergence: class centres", "mean_cosine", "mean cosine of centres"),
    ("Are images kept apart?", "uniformity", ""),
    ("Does it learn?", "knn_held_out", "kNN"),
)
"""Title, key of a probe's row without its layer, key in a file of benchmarks/curves.py."""
CODES = 12
"""Classes of a map that are told apart; the others share one sign."""


def panels(name: str, paths: Sequence[Path], *, say: Say = unheard) -> Panels:
    """The panels of a figure; raises `InputError` for an unknown name and where no record has its numbers.

    `say` hears what is damaged in the records, so that no figure lacks a part in silence.
    """
    if name not in NAMES:
        near = did_you_mean(name, NAMES)
        near = near if near.startswith("Did") else ""
        raise InputError(f"there is no figure {name!r}. {near} Known: {', '.join(NAMES)}.")
    if not paths:
        raise InputError(f"no run was named; expected: contrascope figure RUN... {name} --out FILE")
    runs = [run for path in paths for run in _runs(path, name)]
    found = _panels(name, runs)
    if not found:
        raise InputError(
            f"{', '.join(run.name for run in runs)} {'have' if len(runs) > 1 else 'has'} no record of {name!r}. "
            f"{_missing(name, runs)}"
        )
    for run in runs:
        for notice in run.notices:
            if " is missing. " not in notice:
                say(f"contrascope: {run.name}: {notice}")
    return found


def _runs(path: Path, name: str) -> list[RunRecords]:
    """The records of a folder, or the runs of a file that benchmarks/curves.py wrote."""
    if path.suffix != ".json" or not path.is_file():
        return [load(path)]
    if name != NAMES[0]:
        raise InputError(f"{path} is a file; only {NAMES[0]!r} is drawn from one. Name the folder of a run.")
    listed = records.read_json(path, typed=True)
    trees = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    rows = [row for tree in trees if (row := row_of({"step": 0, **tree, "kind": "probe"})) is not None]
    found: dict[str, list[MetricsRow]] = {}
    for row in rows:
        found.setdefault(str(row.values.get("run", path.stem)), []).append(row)
    return [RunRecords(path=str(path), name=one, probes=mine) for one, mine in found.items()]


def _panels(name: str, runs: list[RunRecords]) -> Panels:
    named = list(zip(unique_names(runs), runs, strict=True))
    if name == "map":
        return [points for label, run in named if (points := _map(label, run))]
    if name == PLANE:
        return plane(named)
    if name == "operations":
        return [cells for label, run in named if (cells := _operations(label, run))]
    if name == "alignment-divergence":
        return _factors(runs)
    known = []
    for label, run in named:
        figure = _block(SINGLE[name], run)
        if isinstance(figure, Figure):
            known.append((label, figure))
    if name == "loss" and len({str(value_at(run.settings, "method.kind")) for run in runs}) > 1:
        return [replace(_overlaid([one]), title=one[0]) for one in known]  # units that no axis can share
    return [_overlaid(known)] if known else []


def _block(draw: Callable[[RunRecords], Any], run: RunRecords) -> Any:
    """The page's block; a record of an unexpected form is an error here, where the page leaves the block out."""
    block, notice = guarded(draw, run)
    if notice:
        raise InputError(f"{run.name}: {notice}")
    return block


def _missing(name: str, runs: Sequence[RunRecords]) -> str:
    """What is missing, and what could be drawn instead."""
    other = [one for one in NAMES if one != name and _drawable(one, runs)]
    notices = [MEASURED[name]] if name in MEASURED else []
    notices += dict.fromkeys(notice for run in runs for notice in run.notices)
    can = f"These records can draw: {', '.join(other)}." if other else "These records can draw no figure."
    return " ".join([*notices, can])


def _drawable(name: str, runs: Sequence[RunRecords]) -> bool:
    try:
        return bool(_panels(name, list(runs)))
    except InputError:
        return False


def _overlaid(known: Sequence[tuple[str, Figure]]) -> Panel:
    """The same figure of all runs in one panel; of several runs random references are left out."""
    first, several = known[0][1], len(known) > 1
    drawn: list[DrawnCurve] = []
    for place, (run, figure) in enumerate(known):
        band: Tree | None = None
        part = 0
        for trace in figure.data:
            if trace.get("fill"):
                band = trace
                continue
            name = html.unescape(str(trace.get("name", "")))
            if not (several and name.startswith("random")):
                curve = _curve(trace, band, label=f"{run}: {name}" if several else name)
                drawn.append(replace(curve, colour=place if several else part, dash=part))
                part += 1
            band = None
    return Panel(
        title=first.title,
        x=str(value_at(first.layout, "xaxis.title.text")),
        y=str(value_at(first.layout, "yaxis.title.text")),
        curves=tuple(drawn),
        log_x=value_at(first.layout, "xaxis.type") == "log",
        log_y=value_at(first.layout, "yaxis.type") == "log",
    )


def _curve(trace: Tree, band: Tree | None, *, label: str) -> DrawnCurve:
    x, y = list(trace["x"]), list(trace["y"])
    ends = [] if band is None else [number(value) for value in band["y"]]
    known = [end for end in ends if end is not None]
    whole = len(known) == len(ends) == 2 * len(x)
    return DrawnCurve(
        label=label,
        x=x,
        y=y,
        high=known[: len(x)] if whole else None,
        low=known[len(x) :][::-1] if whole else None,
        colour=0,
        dash=0,
    )


def _factors(runs: Sequence[RunRecords]) -> list[Panel]:
    """Alignment, divergence and kNN against epochs; uniformity where divergence was not measured."""
    found = [_factor(runs, *quantity) for quantity in QUANTITIES]
    keys = [quantity[1] for quantity in QUANTITIES]
    known = {key: panel for key, panel in zip(keys, found, strict=True) if panel is not None}
    if "alignment" not in known:
        return []
    if "max_cosine" in known:
        known.pop("uniformity", None)
    return list(known.values())


def _factor(runs: Sequence[RunRecords], title: str, key: str, other: str) -> Panel | None:
    word = row_word(key) or row_word(f"h_{key}")
    y = "" if word is None else f"{word.title} ({word.unit})"
    drawn, several = [], len(runs) > 1
    for place, (label, run) in enumerate(zip(unique_names(runs), runs, strict=True)):
        for dash, layer in enumerate("hz"):
            words = LAYERS[layer]
            names = (key, other) if key == "knn_held_out" else (f"{layer}_{key}", f"{layer} {other}")
            points = _epochs(run.probes, names)
            if not points or (key == "knn_held_out" and layer == "z"):
                continue
            x, middle, low, high = (list(column) for column in zip(*points, strict=True))
            known = low != middle or high != middle
            drawn.append(
                DrawnCurve(
                    label=f"{label}: {words}" if several else words,
                    x=x,
                    y=middle,
                    low=low if known else None,
                    high=high if known else None,
                    colour=place if several else dash,
                    dash=dash,
                )
            )
    return Panel(title=title, x="finished epochs", y=y, curves=tuple(drawn)) if drawn else None


def _epochs(rows: Sequence[MetricsRow], names: tuple[str, str]) -> list[tuple[float, float, float, float]]:
    """Epoch, value and interval of those rows that have one of two keys."""
    found = []
    for row in rows:
        epoch = number(row.epoch)
        value = next((row.values[name] for name in names if name in row.values), None)
        if isinstance(value, list) and len(value) == 3:
            value = dict(zip(("value", "low", "high"), value, strict=True))
        known = estimate(value)
        if epoch is not None and known is not None:
            found.append((epoch, *known))
    return found


def _map(label: str, run: RunRecords) -> Points | None:
    block = _block(map_points.points, run)
    if not isinstance(block, Map):
        return None
    data = block.points
    kind = "umap" if "umap" in data["places"] else "pca"
    place, columns = data["places"][kind], data["columns"]
    key = "label" if "label" in columns else "pseudo"
    codes = [-1 if code is None else int(code) for code in columns.get(key) or [0] * data["count"]]
    kept = [i for i in range(data["count"]) if place["x"][i] is not None and place["y"][i] is not None]
    classes = data["classes"] if key == "label" else []
    if not kept:
        return None
    present = sorted({codes[i] for i in kept})
    names = {code: classes[code] if 0 <= code < len(classes) else f"{key} {code}" for code in present[:CODES]}
    shares = [number(share) for share in value_at(run.gallery, "map.pca.explained") or ()]
    x, y = (
        f"{kind.upper()} {axis + 1}"
        + (
            f" ({100 * (shares[axis] or 0):.0f} % of the variance)"
            if kind == "pca" and len(shares) > axis
            else ""
        )
        for axis in (0, 1)
    )
    places = [(place["x"][i], place["y"][i]) for i in kept]
    return Points(title=label, x=x, y=y, places=places, codes=[codes[i] for i in kept], names=names)


def _operations(label: str, run: RunRecords) -> Cells | None:
    figure = _block(geometry.operations, run)
    if not isinstance(figure, Figure):
        return None
    heat = figure.data[0]
    return Cells(
        title=label,
        x=str(value_at(figure.layout, "xaxis.title.text")),
        y=str(value_at(figure.layout, "yaxis.title.text")),
        columns=heat["x"],
        rows=[html.unescape(name) for name in heat["y"]],
        values=heat["z"],
        texts=heat["text"],
        scale="share of the layer's variance along the operation's directions; in brackets how far it moves an image",
    )
