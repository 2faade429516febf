"""Curves of several runs in one figure: only of runs that can be compared."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contrascope.records.lookup import value_at
from contrascope.records.metrics import MetricsRow
from contrascope.records.row_words import row_title, row_word
from contrascope.reports.blocks import Figure, Table, axes, line, sample, short
from contrascope.reports.curves import STEPS
from contrascope.reports.load import RunRecords, column, number
from contrascope.reports.settings_view import words

OF_VIEWS = ("loss", "align", "spread", "h_retrieval", "h_alignment")
"""Numbers of views: runs of different policies made different views, so each policy has a figure of its own."""
OVERLAID = {
    "loss": "Losses of different methods are not comparable.",
    "h_retrieval": "Higher is better.",
    "knn_held_out": "Needs labels; measured where training.probe_every is set.",
    "h_participation_ratio": "A fall towards 1 is a dimensional collapse.",
    "h_alignment": "0: views fall together. Read it beside retrieval.",
    "align": "Pulls views together; the unit is the loss's own.",
    "spread": "Keeps images apart; the unit is the loss's own.",
}
"""Key of metrics.jsonl, and how to read its curves; titles and units are the vocabulary's."""


@dataclass(frozen=True, kw_only=True)
class PlacedRun:
    """A run of the comparison."""

    name: str
    """What it is called here."""
    place: int
    """Its place among all runs, from which it has its colour, dash and mark in every figure."""
    run: RunRecords
    """Its records."""


def overlays(names: Sequence[str], runs: Sequence[RunRecords], key: str, read: str) -> list[Figure]:
    """The curves of a number against epochs: one figure of the runs that saw the same images and views."""
    compared = [
        PlacedRun(name=name, place=place, run=run)
        for place, (name, run) in enumerate(zip(names, runs, strict=True))
    ]
    parts = groups(compared, of_views=key in OF_VIEWS)
    found = []
    for said, mine in parts.items():
        figure = _overlay(mine, key, read, said if len(parts) > 1 else "")
        found += [figure] if figure is not None else []
    return found


def groups(compared: Sequence[PlacedRun], *, of_views: bool) -> dict[str, list[PlacedRun]]:
    """Runs of the same images, and where views count of the same policy, under words that tell the groups apart."""
    by_settings: dict[str, list[PlacedRun]] = {}
    for one in compared:
        by_settings.setdefault(json.dumps(_seen(one.run, of_views=of_views), sort_keys=True), []).append(one)
    found: dict[str, list[PlacedRun]] = {}
    for mine in by_settings.values():
        said = _words(mine[0].run, of_views=of_views)
        number_ = sum(name.split(" (settings ")[0] == said for name in found)
        found[f"{said} (settings {number_ + 1})" if number_ else said] = mine
    return found


def _seen(run: RunRecords, *, of_views: bool) -> list[Any]:
    images = [value_at(run.settings, f"data.{key}") for key in ("source", "split", "size")]
    return [images, value_at(run.settings, "policy") if of_views else None]


def _words(run: RunRecords, *, of_views: bool) -> str:
    said = f"images {words(value_at(run.settings, 'data.source'))}"
    policy = value_at(run.settings, "policy.name")
    return f"{said}, policy {words(policy) if policy else 'of its own'}" if of_views else said


def _overlay(compared: Sequence[PlacedRun], key: str, read: str, group: str) -> Figure | None:
    word = row_word(key)
    of_steps = word is not None and word.figure in STEPS
    title = row_title(key).capitalize() if key[0].islower() and not key.startswith("knn") else row_title(key)
    y = word.unit if word is not None and word.unit else "value"
    curves = []
    for one in compared:
        rows = one.run.steps if of_steps else one.run.probes
        rows = [row for row in rows if number(row.values.get(key)) is not None]
        if rows:
            curves.append((one, _epochs(one.run, rows, of_steps), column(rows, key)))
    if not curves:
        return None
    if of_steps and len({method(one.run) for one in compared}) > 1:
        curves = [(one, x, own_range(values)) for one, x, values in curves]
        title, y = f"{title}, as a share of each run's own range", "share of own range (0 to 1)"
        read = f"{read} Several methods: 0 is a run's least value, 1 its largest; only the shapes can be compared."
    title = f"{title}: {group}" if group else title
    rows_table = [
        (one.name, short(a, 3), short(b))
        for one, x, values in curves
        for a, b in sample(list(zip(x, values, strict=True)), 12)[0]
    ]
    return Figure(
        title=title,
        alt=f"{title}, last values: "
        + "; ".join(f"{one.name} {short(values[-1], 3)}" for one, _, values in curves),
        read=f"{read} Runs of other images{' or another policy' if key in OF_VIEWS else ''} have a figure of their own."
        if group
        else read,
        data=[
            {**line(one.name, x, values, one.place, marks=not of_steps), "meta": f"run {one.place}"}
            for one, x, values in curves
        ],
        layout=axes("epochs", y),
        table=Table(
            title=title,
            head=("run", "epochs", y),
            rows=rows_table,
            note="At most 12 values a run, evenly spaced.",
        ),
    )


def method(run: RunRecords) -> str:
    """The method's name."""
    return words(value_at(run.settings, "method.kind")).removesuffix("Settings")


def own_range(values: Sequence[float | None]) -> list[float | None]:
    """Values as shares of their own range.

    >>> own_range([5.0, None, 4.0, 3.0])
    [1.0, None, 0.5, 0.0]
    """
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    width = high - low
    return [None if value is None else (value - low) / width if width else 0.0 for value in values]


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
