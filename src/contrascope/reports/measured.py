"""Figures of diagnosis.json and evaluation.json: the verdict, accuracy, signals and factors."""

from typing import Any

from contrascope.reports.blocks import Figure, Judgement, Table, axes, interval, label, short
from contrascope.reports.load import RunRecords, Tree, at, estimate, number, trees

TONES = {"healthy": ("✓", "good"), "undecided": ("?", "open"), "not diagnosed": ("–", "open")}
PROBES = {
    "few_labels_1": "1 label a class",
    "few_labels_5": "5 labels a class",
    "nearest_centre": "nearest centre",
    "knn": "kNN",
    "linear": "linear probe",
}
LAYERS = {
    "h": "encoder h",
    "reference_h": "reference of h",
    "z": "projector z",
    "reference_z": "reference of z",
}
SIGNALS = {
    "views.alignment": "alignment: mean squared distance of two views (0 to 4)",
    "views.augmentation_robust": "worst pair of views, squared (0 to 4)",
    "views.retrieval": "a view finds its image first (share)",
    "views.confusion": "average confusion ratio (share)",
    "uniformity": "uniformity (log, 0 to -4)",
    "wasserstein": "distance to the uniform law",
    "spread": "variance of unit rows (0 to 1)",
    "modes": "variance between 8 clusters (share)",
    "shortcut.explained": "explained by trivial statistics (share)",
    "participation_ratio": "participation ratio (directions)",
    "effective_rank": "effective rank (directions)",
    "rankme": "RankMe (directions)",
    "views.lidar": "LiDAR (directions)",
    "alpha": "alpha-ReQ exponent",
    "dead": "constant dimensions",
    "dim": "dimensions",
}
RANKS = ("participation_ratio", "effective_rank", "rankme", "views.lidar", "alpha", "dead", "dim")
SHARES = {
    "views.retrieval": "a view finds<br>its image",
    "views.confusion": "average<br>confusion ratio",
    "modes": "variance between<br>8 clusters",
    "shortcut.explained": "explained by<br>trivial statistics",
}
FACTORS = {
    "error": "nearest-centre error (share)",
    "max_cosine": "largest cosine of two class centres",
    "mean_cosine": "mean cosine of two class centres",
    "delta_mu": "delta_mu: 1 - smallest squared length of a centre",
    "simplex_distance": "distance to the simplex",
    "cdnv": "class-distance normalised variance",
    "directional_cdnv": "the same along the centres' line",
}


def judgement(run: RunRecords) -> Judgement:
    """The verdict of the diagnosis, or of the last probe; "not diagnosed" where there is neither."""
    verdict = at(run.diagnosis, "verdict")
    if isinstance(verdict, dict) and isinstance(verdict.get("word"), str):
        evidence = verdict.get("evidence")
        return _judgement(
            verdict["word"],
            tuple(map(str, evidence)) if isinstance(evidence, list) else (),
            str(verdict.get("cause") or ""),
            str(verdict.get("next") or ""),
            str(run.diagnosis.get("data") or ""),
        )
    probed = [row for row in run.probes if isinstance(row.get("verdict"), str)]
    if not probed:
        return _judgement(
            "not diagnosed", (), "", "contrascope diagnose RUN gives a verdict, without labels.", ""
        )
    last = probed[-1]
    retrieval = number(last.get("h_retrieval"))
    evidence = (
        () if retrieval is None else (f"A view finds its image for {100 * retrieval:.1f} % of the images.",)
    )
    about = f"from the run's own diagnosis after {short(last.get('epoch'))} epochs"
    return _judgement(last["verdict"], evidence, "", "contrascope diagnose RUN says more.", about)


def accuracy(run: RunRecords) -> Figure | None:
    """Scores of simple classifiers beside the random encoder and raw pixels."""
    rows = trees(run.evaluation.get("rows"))
    rows = [row for row in rows if estimate(row) and isinstance(row.get("of"), str)]
    if not rows:
        return None
    names = [name for name in PROBES if any(row.get("name") == name for row in rows)]
    names += sorted({str(row.get("name")) for row in rows} - set(names))
    subjects = list(dict.fromkeys(str(row["of"]) for row in rows))
    cell = {(row["of"], str(row.get("name"))): estimate(row) for row in rows}
    data = [_bars(of, names, cell, place) for place, of in enumerate(subjects)]
    first = rows[0]
    where = f"{short(first.get('n'))} {first.get('split', '')} images, protocol {first.get('protocol', 'unknown')}"
    table = Table(
        title="Accuracy",
        head=("representation", *(f"{PROBES.get(name, name)} (%)" for name in names)),
        rows=[(of, *(percent(cell.get((of, name))) for name in names)) for of in subjects],
        note=where,
    )
    return Figure(
        title="Accuracy of simple classifiers on frozen features",
        alt="; ".join(f"{row[0]}: {', '.join(row[1:])}" for row in table.rows),
        read="Bars are accuracies on test images; lines are 95 % intervals over them. What training bought is the "
        f"distance to the random encoder and to raw pixels, not the height. {where}.",
        data=data,
        layout=axes("classifier", "accuracy (%)", barmode="group"),
        table=table,
    )


def signals(run: RunRecords) -> Table | None:
    """The label-free signals of both layers beside their reference."""
    return _signal_table(
        run,
        [path for path in SIGNALS if path not in RANKS],
        title="Label-free signals",
        read="Each column stands beside its reference: a random network of the same shape on the same views. "
        "An interval is a 95 % bootstrap over images. No single row decides; the verdict's rules do.",
    )


def ranks(run: RunRecords) -> Table | None:
    """Ranks and dimensions of both layers beside their reference."""
    return _signal_table(
        run,
        list(RANKS),
        title="Ranks at the end",
        read="How many directions are in use. RankMe and LiDAR of random weights are high: compare a column with "
        "its reference, not two kinds of rank with each other.",
    )


def signal_shares(run: RunRecords) -> Figure | None:
    """The signals that are shares, as points with intervals."""
    layers = _layers(run)
    paths = [path for path in SHARES if any(estimate(at(layer, path)) for layer in layers.values())]
    if not paths:
        return None
    data = []
    for place, (name, layer) in enumerate(layers.items()):
        known = [(SHARES[path], found) for path in paths if (found := estimate(at(layer, path)))]
        data.append(_points(LAYERS[name], known, place))
    table = Table(
        title="Signals that are shares",
        head=("signal", *(LAYERS[name] for name in layers)),
        rows=[(SIGNALS[p], *(interval(at(layer, p)) for layer in layers.values())) for p in paths],
    )
    return Figure(
        title="Learnt, or there from the start?",
        alt="; ".join(f"{row[0]}: {', '.join(row[1:])}" for row in table.rows),
        read="First row: higher is better. The other rows: lower is better. A point that lies on its reference was "
        "not learnt.",
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
    about = "; ".join(f"{name}: {tree.get('labels')}" for name, tree in found.items() if tree.get("pseudo"))
    return Table(
        title="Divergence and width of classes",
        head=("factor", *found),
        rows=[
            (words, *(interval(tree.get(key)) for tree in found.values())) for key, words in FACTORS.items()
        ],
        read="Divergent classes have centres that point apart: cosines near or below 0, at best -1 / (classes - 1). "
        "Narrow classes have a small normalised variance. Pseudo-classes come from the embedding itself, so their "
        "numbers flatter it.",
        note=about,
    )


def _judgement(word: str, evidence: tuple[str, ...], cause: str, following: str, about: str) -> Judgement:
    mark, tone = TONES.get(word, ("✗", "bad"))
    return Judgement(
        word=word, mark=mark, tone=tone, evidence=evidence, cause=cause, next=following, about=about
    )


def _bars(
    of: str, names: list[str], cell: dict[tuple[str, str], tuple[float, float, float] | None], place: int
) -> dict[str, Any]:
    known = [(name, found) for name in names if (found := cell.get((of, name)))]
    return {
        "type": "bar",
        "name": label(of),
        "x": [label(PROBES.get(name, name)) for name, _ in known],
        "y": [100 * v for _, (v, _, _) in known],
        "error_y": {
            "type": "data",
            "array": [100 * (high - v) for _, (v, _, high) in known],
            "arrayminus": [100 * (v - low) for _, (v, low, _) in known],
        },
        "marker": {"pattern": {"shape": ("", "/", ".", "x", "-")[place % 5]}},
    }


def _points(name: str, known: list[tuple[str, tuple[float, float, float]]], place: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(name),
        "x": [v for _, (v, _, _) in known],
        "y": [words for words, _ in known],
        "error_x": {
            "type": "data",
            "array": [high - v for _, (v, _, high) in known],
            "arrayminus": [v - low for _, (v, low, _) in known],
        },
        "marker": {"size": 11, "symbol": ("circle", "circle-open", "diamond", "diamond-open")[place % 4]},
    }


def _layers(run: RunRecords) -> dict[str, Tree]:
    found = {name: at(run.diagnosis, f"signals.{name}") for name in LAYERS}
    return {name: tree for name, tree in found.items() if isinstance(tree, dict)}


def _signal_table(run: RunRecords, paths: list[str], *, title: str, read: str) -> Table | None:
    layers = _layers(run)
    rows = [
        (SIGNALS[path], *(interval(at(layer, path)) for layer in layers.values()))
        for path in paths
        if any(estimate(at(layer, path)) for layer in layers.values())
    ]
    if not rows:
        return None
    note = f"Reference: {at(run.diagnosis, 'signals.reference')}."
    return Table(
        title=title, head=("signal", *(LAYERS[name] for name in layers)), rows=rows, read=read, note=note
    )


def factors_of(run: RunRecords) -> dict[str, Tree]:
    """Factors and bounds by layer and labelling."""
    found = at(run.diagnosis, "factors")
    if not isinstance(found, dict):
        return {}
    return {str(name): tree for name, tree in found.items() if isinstance(tree, dict)}


def percent(found: tuple[float, float, float] | None) -> str:
    """A share as per cent with its interval; an en dash where there is none."""
    if found is None:
        return "–"
    value, low, high = (100 * part for part in found)
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"
