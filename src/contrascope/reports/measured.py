"""Figures of diagnosis.json and evaluation.json: accuracy, signals, factors and details."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contrascope.records.diagnosis import FactorsEntry
from contrascope.records.entry import Tree
from contrascope.records.kinds import ScoreEntry
from contrascope.records.lookup import (
    probe_order,
    probe_title,
    remarks,
    shown_measures,
    value_at,
)
from contrascope.records.vocabulary import DETAILS, FACTORS, LAYERS, LEARNING, SIGNALS, SLOPES
from contrascope.records.words import Measure
from contrascope.reports.blocks import Figure, Table, axes, interval, label, percent, role, short
from contrascope.reports.gains import gain_sentences
from contrascope.reports.load import RunRecords, estimate

ACCURACY = (
    "Bars are accuracies on test images; lines are 95 % intervals over them. What training bought is the distance to "
    "the random encoder and to raw pixels, not the height."
)
Cells = dict[tuple[str, str], tuple[float, float, float] | None]


def scores(run: RunRecords) -> list[ScoreEntry]:
    """Rows of evaluation.json that name a representation and a number."""
    return [row for row in run.evaluation.rows if row.of and row.name and row.value is not None]


def accuracy(run: RunRecords) -> Figure | Table | None:
    """Scores of simple classifiers beside the random encoder and raw pixels; the table alone where none is defined."""
    rows = [row for row in run.evaluation.rows if row.of and row.name]
    rows = [row for row in rows if row.value is not None or row.not_defined]
    if not rows:
        return None
    names = probe_order([row.name for row in rows])
    subjects = list(dict.fromkeys(row.of for row in rows))
    cell: Cells = {(row.of, row.name): estimate(row) for row in rows}
    missing = {(row.of, row.name) for row in rows if row.value is None}
    first = rows[0]
    where = f"{short(first.n)} {first.split} images, protocol {first.protocol or 'unknown'}"
    told = " ".join([f"{where}.", *remarks(rows)])
    table = Table(
        title="Accuracy",
        head=("representation", *(f"{probe_title(name)} (%)" for name in names)),
        rows=[
            (of, *("not defined" if (of, one) in missing else percent(cell.get((of, one))) for one in names))
            for of in subjects
        ],
        note=told.removesuffix("."),
    )
    if not scores(run):
        return table
    return Figure(
        title="Accuracy of simple classifiers on frozen features",
        alt=_told(table),
        read=" ".join([ACCURACY, *gain_sentences(rows), told]),
        data=[_bars(of, names, cell, place) for place, of in enumerate(subjects)],
        layout=axes("classifier", "accuracy (%)", barmode="group"),
        table=table,
    )


def signals(run: RunRecords) -> Table | None:
    """The label-free signals of both layers beside their reference; unknown ones under their path."""
    return _signal_table(
        run,
        lambda one: one.table != "ranks",
        title="Label-free signals",
        read="Each column stands beside its reference: a random network of the same shape on the same views. "
        "An interval is of 95 % and over images. No single row decides; the verdict's rules do.",
    )


def learning(run: RunRecords) -> Table | None:
    """Gains over random weights at finding an image's other view, by kind of views."""
    told = value_at(run.diagnosis.signals, "learning")
    tree = told if isinstance(told, dict) else {}
    known = [one for one in shown_measures([tree], LEARNING) if estimate(value_at(tree, one.path))]
    if not known:
        return None
    return _measures(
        known,
        {"value": tree},
        "Better than random weights?",
        read="A view is shown with another view of its image among 99 views of other images. The gain is the ratio of "
        "the odds of encoder and random encoder, as a logarithm: 0 is no gain. Learning is read off these rows.",
    )


def ranks(run: RunRecords) -> Table | None:
    """Ranks and dimensions of both layers beside their reference."""
    return _signal_table(
        run,
        lambda one: one.table == "ranks",
        title="Ranks at the end",
        read="How many directions are in use. RankMe and LiDAR of random weights are high: compare a column with "
        "its reference, not two kinds of rank with each other.",
    )


def signal_shares(run: RunRecords) -> Figure | None:
    """The signals that are shares, as points with intervals."""
    layers = layers_of(run)
    shown = [
        one
        for one in SIGNALS
        if one.bar and any(estimate(value_at(tree, one.path)) for tree in layers.values())
    ]
    if not shown:
        return None
    data = []
    for place, (name, layer) in enumerate(layers.items()):
        known = [(one.bar, found) for one in shown if (found := estimate(value_at(layer, one.path)))]
        data.append(_points(LAYERS[name], known, place))
    table = _measures(shown, {LAYERS[name]: tree for name, tree in layers.items()}, "Signals that are shares")
    return Figure(
        title="Learnt, or there from the start?",
        alt=_told(table),
        read="; ".join(f"{one.title}: {one.better} is better" for one in shown)
        + ". A point that lies on its reference was not learnt.",
        data=data,
        layout={"xaxis": {"title": {"text": "share (0 to 1)"}, "range": [-0.02, 1.02]}}
        | {"yaxis": {"title": {"text": "signal"}, "autorange": "reversed", "automargin": True}},
        table=table,
    )


def divergence(run: RunRecords) -> Table | None:
    """Divergence and concentration of classes, a column for every layer and labelling."""
    found = factors_of(run)
    if not found:
        return None
    trees = {name: factor.extra for name, factor in found.items()}
    about = "; ".join(f"{name}: {factor.labels}" for name, factor in found.items() if factor.pseudo)
    return _measures(
        shown_measures(list(trees.values()), FACTORS),
        trees,
        "Divergence and width of classes",
        head="factor",
        read="Divergent classes have centres that point apart: cosines near or below 0, at best -1 / (classes - 1). "
        "Narrow classes have a small normalised variance. Pseudo-classes come from the embedding itself, so their "
        "numbers flatter it.",
        note=about,
    )


def details(run: RunRecords) -> Table | None:
    """What a diagnosis measures and no rule reads: raw alignment, the losses taken apart, slopes."""
    trees = {LAYERS.get(name, name): tree for name, tree in run.diagnosis.details.items()}
    measures = shown_measures(list(trees.values()), DETAILS)
    slopes = run.diagnosis.lipschitz or {}
    known = [one for one in shown_measures([slopes], SLOPES) if estimate(value_at(slopes, one.path))]
    said = "; ".join(f"{one.named} {interval(value_at(slopes, one.path))}" for one in known)
    if not trees or not any(estimate(value_at(t, one.path)) for t in trees.values() for one in measures):
        return None
    return _measures(
        measures,
        trees,
        "Beside the verdict: what no rule reads",
        read="The papers' losses of these features, taken apart into alignment and spread, whatever loss trained them.",
        note=f"{said}." if said else "",
    )


def faults(run: RunRecords) -> Table | None:
    """Numerical faults, where something was measured."""
    told = run.diagnosis.signals
    if told is None or told.faults is None:
        return None
    found = told.faults
    rows = [
        ("values that are no number", short(found.non_finite)),
        ("constant outputs of the encoder (share)", short(found.dead_units)),
        ("batch norm: stored against fresh statistics (0 to 4)", short(found.batch_norm_gap)),
        ("images whose views are equal (share)", short(told.equal_views)),
        ("distinct rows (share)", short(found.distinct)),
        ("how far a row depends on its batch (share of the distance of rows)", short(found.batch)),
        ("images with a near copy among the others (share)", short(found.copies)),
        *([("training stopped", found.stopped)] if found.stopped else []),
        *((key, interval(value)) for key, value in found.extra.items()),
    ]
    return Table(title="Numerical faults", head=("fault", "value"), rows=rows)


def layers_of(run: RunRecords) -> dict[str, Tree]:
    """The layers that the diagnosis has numbers of, in the vocabulary's order."""
    told = run.diagnosis.signals
    return {} if told is None else {name: tree for name in LAYERS if (tree := value_at(told, name))}


def factors_of(run: RunRecords) -> dict[str, FactorsEntry]:
    """Factors and bounds by layer and labelling."""
    return run.diagnosis.factors


def _bars(of: str, names: list[str], cell: Cells, place: int) -> dict[str, Any]:
    known = [(name, found) for name in names if (found := cell.get((of, name)))]
    return {
        "type": "bar",
        "name": label(of),
        "meta": role(of),
        "x": [label(probe_title(name)) for name, _ in known],
        "y": [100 * v for _, (v, _, _) in known],
        "error_y": _ends([found for _, found in known], 100),
        "marker": {"pattern": {"shape": ("", "/", ".", "x", "-")[place % 5]}},
    }


def _points(name: str, known: list[tuple[str, tuple[float, float, float]]], place: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(name),
        "meta": role(name),
        "x": [v for _, (v, _, _) in known],
        "y": [words for words, _ in known],
        "error_x": _ends([found for _, found in known], 1),
        "marker": {"size": 11, "symbol": ("circle", "circle-open", "diamond", "diamond-open")[place % 4]},
    }


def _ends(known: list[tuple[float, float, float]], scale: int) -> dict[str, Any]:
    return {
        "type": "data",
        "array": [scale * (high - v) for v, _, high in known],
        "arrayminus": [scale * (v - low) for v, low, _ in known],
    }


def _signal_table(
    run: RunRecords, wanted: Callable[[Measure], bool], *, title: str, read: str
) -> Table | None:
    layers = layers_of(run)
    shown = [one for one in shown_measures(list(layers.values()), SIGNALS) if wanted(one)]
    trees = {LAYERS[name]: tree for name, tree in layers.items()}
    known = [one for one in shown if any(estimate(value_at(tree, one.path)) for tree in trees.values())]
    note = f"Reference: {value_at(run.diagnosis.signals, 'reference')}."
    return _measures(known, trees, title, read=read, note=note) if known else None


def _measures(
    measures: Sequence[Measure],
    columns: Mapping[str, Tree],
    title: str,
    *,
    head: str = "signal",
    read: str = "",
    note: str = "",
) -> Table:
    rows = [
        (one.named, *(interval(value_at(tree, one.path)) for tree in columns.values())) for one in measures
    ]
    return Table(title=title, head=(head, *columns), rows=rows, read=read, note=note)


def _told(table: Table) -> str:
    return "; ".join(f"{row[0]}: {', '.join(row[1:])}" for row in table.rows)
