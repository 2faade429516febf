"""Several runs side by side: one row a run, curves overlaid, differences of settings marked."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.records.answers import DIAGNOSE
from contrascope.records.lookup import probe_order, probe_title, value_at
from contrascope.records.metrics import MetricsRow
from contrascope.records.row_words import row_title, row_word
from contrascope.records.vocabulary import QUESTIONS, SIGNALS
from contrascope.reports import measured
from contrascope.reports.answers import judgement
from contrascope.reports.blocks import Block, Figure, Judgement, Table, axes, interval, line, sample, short
from contrascope.reports.curves import STEPS
from contrascope.reports.load import RunRecords, column, estimate, number
from contrascope.reports.sections import WRONG, Filled
from contrascope.reports.settings_view import leaves, words

OVERLAID = {
    "loss": "Losses of different methods are not comparable.",
    "align": "Pulls views together; the unit is the loss's own.",
    "spread": "Keeps images apart; the unit is the loss's own.",
    "h_retrieval": "Higher is better; comparable where images and policy are the same.",
    "h_alignment": "0: views fall together. Read it beside retrieval.",
    "h_participation_ratio": "A fall towards 1 is a dimensional collapse.",
    "knn_held_out": "Needs labels; measured where training.probe_every is set.",
}
"""Key of metrics.jsonl, and how to read its curves; titles and units are the vocabulary's."""
COMPARED = ("views.retrieval", "views.alignment", "participation_ratio")
"""Signals of the encoder that have a column."""


def compare(runs: Sequence[RunRecords]) -> list[Filled]:
    """The sections of the comparison page."""
    names = unique_names(runs)
    runs_part = Filled(key="runs", title="Runs")
    _try(runs_part, lambda: overview(names, runs))
    for name, run in zip(names, runs, strict=True):
        kept = [notice for notice in run.notices if not notice.startswith(records.GALLERY)]
        runs_part.notices.extend(f"{name}: {notice}" for notice in kept)
    curves = Filled(key="curves", title="Curves")
    for key, read in OVERLAID.items():
        _try(curves, lambda k=key, r=read: overlay(names, runs, k, r))
    if not curves.blocks:
        curves.notices.append("No run has curves.")
    settings = Filled(key="settings", title="Settings that differ")
    _try(settings, lambda: setting_differences(names, runs))
    return [runs_part, curves, settings]


def overview(names: Sequence[str], runs: Sequence[RunRecords]) -> Table:
    """One row a run."""
    probes = probe_order([row.name for run in runs for row in measured.scores(run)])
    judged = [judgement(run) for run in runs]
    columns = judged_columns(judged)
    head = ("run", *columns, "method", "encoder", "data", "policy", "epochs", "seed", "protocol")
    head += tuple(f"{probe_title(name)} (%)" for name in probes)
    compared = (one for one in SIGNALS if one.path in COMPARED)
    head += ("random encoder, kNN (%)", *(f"{one.short or one.title} ({one.unit})" for one in compared))
    head += ("last loss (own unit)", "images per second (median)")
    return Table(
        title="One row a run",
        head=head,
        rows=[
            (name, *answers, *_overview_row(run, probes))
            for name, run, *answers in zip(names, runs, *columns.values(), strict=True)
        ],
        read="Press a heading to sort. Answers while training are the monitor's, on few images, and no diagnosis: "
        f"{DIAGNOSE}. Accuracies are comparable only where the protocol is the same; signals only "
        "where images and policy are. Intervals are 95 %.",
        sortable=True,
    )


def judged_columns(judged: Sequence[Judgement]) -> dict[str, list[str]]:
    """Columns of a table of runs: sound, learning, useful where that is known of one, and whose answers they are."""
    answers = {name: [one.answers[place] for one in judged] for place, name in enumerate(QUESTIONS)}
    kept = {
        name: column
        for name, column in answers.items()
        if name != "useful" or any(a.answered for a in column)
    }
    columns = {f"{name}?": [one.said for one in column] for name, column in kept.items()}
    return columns | {"answers from": [one.origin or "–" for one in judged]}


def overlay(names: Sequence[str], runs: Sequence[RunRecords], key: str, read: str) -> Figure | None:
    """One curve of all runs against epochs."""
    word = row_word(key)
    of_steps = word is not None and word.figure in STEPS
    title = row_title(key).capitalize() if key[0].islower() and not key.startswith("knn") else row_title(key)
    y = word.unit if word is not None and word.unit else "value"
    curves = []
    for name, run in zip(names, runs, strict=True):
        rows = [r for r in (run.steps if of_steps else run.probes) if number(r.values.get(key)) is not None]
        if rows:
            curves.append((name, _epochs(run, rows, of_steps), column(rows, key)))
    if not curves:
        return None
    if of_steps and len({_method(run) for run in runs}) > 1:
        curves = [(name, x, _own_range(values)) for name, x, values in curves]
        title, y = f"{title}, as a share of each run's own range", "share of own range (0 to 1)"
        read = f"{read} Several methods: 0 is a run's least value, 1 its largest; only the shapes can be compared."
    data = [
        line(name, x, values, place, marks=not of_steps) for place, (name, x, values) in enumerate(curves)
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
    return words(value_at(run.settings, "method.kind")).removesuffix("Settings")


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


def _overview_row(run: RunRecords, probes: Sequence[str]) -> tuple[str, ...]:
    scores = {(row.of, row.name): estimate(row) for row in measured.scores(run)}
    hashes = sorted({row.protocol for row in measured.scores(run)})
    compared = [one.path for one in SIGNALS if one.path in COMPARED]
    speeds = sorted(v for v in column(run.steps, "images_per_second") if v is not None)
    losses = [v for v in column(run.steps, "loss") if v is not None]
    return (
        _method(run),
        *(words(value_at(run.settings, path)) for path in ("encoder.name", "data.source")),
        *(
            words(value_at(run.settings, path))
            for path in ("policy.name", "training.epochs", "training.seed")
        ),
        ", ".join(hashes) or "–",
        *(measured.percent(scores.get(("trained encoder", probe))) for probe in probes),
        measured.percent(scores.get(("random encoder", "knn"))),
        *(interval(value_at(run.diagnosis, f"signals.h.{path}")) for path in compared),
        short(losses[-1] if losses else None),
        short(speeds[len(speeds) // 2] if speeds else None),
    )


def _epochs(run: RunRecords, rows: Sequence[MetricsRow], of_steps: bool) -> list[float | None]:
    """Finished epochs of every row; a step's are counted from images and batch size where these are known."""
    if not of_steps:
        return column(rows, "epoch")
    images, batch = number(run.environment.images), number(value_at(run.settings, "training.batch_size"))
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
