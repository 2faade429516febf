"""Several runs side by side: one row a run, curves overlaid, differences of settings marked."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.reports import measured
from contrascope.reports.blocks import Block, Figure, Table, axes, interval, line, sample, short
from contrascope.reports.load import RunRecords, Tree, at, column, estimate, number, trees
from contrascope.reports.sections import WRONG, Filled
from contrascope.reports.settings_view import leaves, words

CURVES = (
    (
        "steps",
        "loss",
        "Loss",
        "loss (its method's own unit)",
        "Losses of different methods are not comparable.",
    ),
    (
        "steps",
        "align",
        "Alignment half of the loss",
        "alignment half (own unit)",
        "Pulls views together; the unit is the loss's own.",
    ),
    (
        "steps",
        "spread",
        "Spread half of the loss",
        "spread half (own unit)",
        "Keeps images apart; the unit is the loss's own.",
    ),
    (
        "probes",
        "h_retrieval",
        "A view finds its image, encoder h",
        "share of images (0 to 1)",
        "Higher is better; comparable where images and policy are the same.",
    ),
    (
        "probes",
        "h_alignment",
        "Alignment, encoder h",
        "mean squared distance (0 to 4)",
        "0: views fall together. Read it beside retrieval.",
    ),
    (
        "probes",
        "h_participation_ratio",
        "Participation ratio, encoder h",
        "number of directions",
        "A fall towards 1 is a dimensional collapse.",
    ),
    (
        "probes",
        "knn_held_out",
        "kNN on held-out training images",
        "accuracy (0 to 1)",
        "Needs labels; measured where training.probe_every is set.",
    ),
)
"""Rows, key, title, vertical axis, how to read."""


def compare(runs: Sequence[RunRecords]) -> list[Filled]:
    """The sections of the comparison page."""
    names = unique_names(runs)
    runs_part = Filled(key="runs", title="Runs")
    _try(runs_part, lambda: overview(names, runs))
    for name, run in zip(names, runs, strict=True):
        kept = [notice for notice in run.notices if not notice.startswith(records.GALLERY)]
        runs_part.notices.extend(f"{name}: {notice}" for notice in kept)
    curves = Filled(key="curves", title="Curves")
    for rows, key, title, y, read in CURVES:
        _try(curves, lambda r=rows, k=key, t=title, a=y, d=read: overlay(names, runs, (r, k), t, a, d))
    if not curves.blocks:
        curves.notices.append("No run has curves.")
    settings = Filled(key="settings", title="Settings that differ")
    _try(settings, lambda: setting_differences(names, runs))
    return [runs_part, curves, settings]


def overview(names: Sequence[str], runs: Sequence[RunRecords]) -> Table:
    """One row a run."""
    probes = list(
        dict.fromkeys(str(r.get("name")) for run in runs for r in trees(run.evaluation.get("rows")))
    )
    probes = [name for name in measured.PROBES if name in probes]
    head = ("run", "verdict", "method", "encoder", "data", "policy", "epochs", "seed", "protocol")
    head += tuple(f"{measured.PROBES[name]} (%)" for name in probes)
    head += ("random encoder, kNN (%)", "view finds its image (share)", "alignment (0 to 4)")
    head += ("participation ratio (directions)", "last loss (own unit)", "images per second (median)")
    return Table(
        title="One row a run",
        head=head,
        rows=[_overview_row(name, run, probes) for name, run in zip(names, runs, strict=True)],
        read="Press a heading to sort. Accuracies are comparable only where the protocol is the same; signals only "
        "where images and policy are. Intervals are 95 %.",
        sortable=True,
    )


def overlay(
    names: Sequence[str], runs: Sequence[RunRecords], key: tuple[str, str], title: str, y: str, read: str
) -> Figure | None:
    """One curve of all runs against epochs."""
    kind, field = key
    curves = []
    for name, run in zip(names, runs, strict=True):
        rows: list[Tree] = [r for r in getattr(run, kind) if number(r.get(field)) is not None]
        if rows:
            curves.append((name, _epochs(run, rows, kind), column(rows, field)))
    if not curves:
        return None
    if kind == "steps" and len({_method(run) for run in runs}) > 1:
        curves = [(name, x, _own_range(values)) for name, x, values in curves]
        title, y = f"{title}, as a share of each run's own range", "share of own range (0 to 1)"
        read = f"{read} Several methods: 0 is a run's least value, 1 its largest; only the shapes can be compared."
    data = [
        line(name, x, values, place, marks=kind == "probes") for place, (name, x, values) in enumerate(curves)
    ]
    rows_table: list[tuple[str, ...]] = []
    for name, x, values in curves:
        kept, _ = sample(list(zip(x, values, strict=True)), 12)
        rows_table += [(name, short(a, 3), short(b)) for a, b in kept]
    return Figure(
        title=title,
        alt=f"{title}, last values: "
        + "; ".join(f"{name} {short(values[-1], 3)}" for name, _, values in curves),
        read=read,
        data=data,
        layout=axes("epochs", y),
        table=Table(
            title=title,
            head=("run", "epochs", y),
            rows=rows_table,
            note="At most 12 values a run, evenly spaced.",
        ),
    )


def _method(run: RunRecords) -> str:
    return words(at(run.settings, "method.kind")).removesuffix("Settings")


def _own_range(values: Sequence[float | None]) -> list[float | None]:
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    width = high - low
    return [None if value is None else (value - low) / width if width else 0.0 for value in values]


def setting_differences(names: Sequence[str], runs: Sequence[RunRecords]) -> Table:
    """Settings that are not the same in all runs; what differs from the first run is marked."""
    flat = [dict(leaves(run.settings)) for run in runs]
    paths = list(dict.fromkeys(path for tree in flat for path in tree))
    rows = []
    for path in paths:
        values = [tree.get(path, "–") for tree in flat]
        if len(set(values)) > 1:
            first = values[0]
            rows.append((path, first, *(v if v == first else f"≠ {v}" for v in values[1:])))
    return Table(
        title="Settings that differ between the runs",
        head=("setting", *names),
        rows=rows,
        read=f"{len(rows)} of {len(paths)} settings differ. ≠ marks what is not as in the first run; all others are "
        "the same in every run.",
        sortable=True,
    )


def unique_names(runs: Sequence[RunRecords]) -> list[str]:
    """Names of the folders, with their parents or a number where two are the same."""
    plain = [run.name for run in runs]
    if len(set(plain)) == len(plain):
        return plain
    longer = [f"{Path(run.path).parent.name}/{run.name}" for run in runs]
    names = [one if plain.count(one) == 1 else two for one, two in zip(plain, longer, strict=True)]
    return [
        name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, start=1)
    ]


def _overview_row(name: str, run: RunRecords, probes: Sequence[str]) -> tuple[str, ...]:
    scores = {(r.get("of"), r.get("name")): estimate(r) for r in trees(run.evaluation.get("rows"))}
    judged = measured.judgement(run)
    hashes = sorted({str(r.get("protocol")) for r in trees(run.evaluation.get("rows"))})
    signals = at(run.diagnosis, "signals.h") or {}
    speeds = sorted(v for v in column(run.steps, "images_per_second") if v is not None)
    losses = [v for v in column(run.steps, "loss") if v is not None]
    return (
        name,
        f"{judged.mark} {judged.word}",
        _method(run),
        *(words(at(run.settings, path)) for path in ("encoder.name", "data.source")),
        *(words(at(run.settings, path)) for path in ("policy.name", "training.epochs", "training.seed")),
        ", ".join(hashes) or "–",
        *(measured.percent(scores.get(("trained encoder", probe))) for probe in probes),
        measured.percent(scores.get(("random encoder", "knn"))),
        interval(at(signals, "views.retrieval")),
        interval(at(signals, "views.alignment")),
        short(signals.get("participation_ratio"), 3),
        short(losses[-1] if losses else None),
        short(speeds[len(speeds) // 2] if speeds else None),
    )


def _epochs(run: RunRecords, rows: Sequence[Tree], kind: str) -> list[float | None]:
    """Finished epochs of every row; a step's are counted from images and batch size where these are known."""
    if kind == "probes":
        return column(rows, "epoch")
    images, batch = number(run.environment.get("images")), number(at(run.settings, "training.batch_size"))
    per_epoch = images // batch if images and batch and images >= batch else None
    steps = column(rows, "step")
    if per_epoch is None:
        return column(rows, "epoch")
    return [None if step is None else step / per_epoch for step in steps]


def _try(filled: Filled, make: Callable[[], Any]) -> None:
    try:
        block: Block | None = make()
    except WRONG as error:
        filled.notices.append(f"A part was left out: a record has an unexpected form ({error}).")
        return
    filled.blocks.extend([] if block is None else [block])
