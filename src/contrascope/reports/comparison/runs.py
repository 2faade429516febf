"""Several runs side by side: accuracy and answers first, what is the same told once, differences of settings marked."""

from collections.abc import Callable, Sequence
from pathlib import Path

from contrascope import records
from contrascope.records.answers import DIAGNOSE, ShownAnswer
from contrascope.records.lookup import probe_order, probe_title, value_at
from contrascope.records.vocabulary import QUESTIONS, SIGNALS
from contrascope.reports import measured
from contrascope.reports.answers import judgement
from contrascope.reports.blocks import Block, Judgement, Table, interval, short
from contrascope.reports.comparison.accuracy import accuracies
from contrascope.reports.comparison.curves import OVERLAID, method, overlays
from contrascope.reports.gains import TRAINED
from contrascope.reports.headline.numbers import PROBES
from contrascope.reports.load import RunRecords, column, estimate
from contrascope.reports.sections import WRONG, Filled, blocks_of
from contrascope.reports.settings_view import leaves, words

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
    _try(runs_part, lambda: accuracies(names, runs))
    curves = Filled(key="curves", title="Curves")
    for key, read in OVERLAID.items():
        _try(curves, lambda k=key, r=read: overlays(names, runs, k, r))
    if not curves.blocks:
        curves.notices.append("No run has curves.")
    settings = Filled(key="settings", title="Settings that differ")
    _try(settings, lambda: setting_differences(names, runs))
    return [runs_part, curves, settings]


def overview(names: Sequence[str], runs: Sequence[RunRecords]) -> Table:
    """One row a run: accuracy and answers first, then what differs; what is the same in all is told in a line."""
    probes = probe_order([row.name for run in runs for row in measured.scores(run)])
    scored = {f"{probe_title(name)} (%)": _accuracy(runs, TRAINED, name) for name in probes}
    first = [f"{probe_title(name)} (%)" for name in PROBES if name in probes] or list(scored)[:1]
    columns = (
        {name: scored[name] for name in first} | judged_columns([judgement(run) for run in runs]) | scored
    )
    columns["random encoder, kNN (%)"] = _accuracy(runs, "random encoder", "knn")
    columns |= {
        f"{one.short or one.title} ({one.unit})": [
            interval(value_at(run.diagnosis, f"signals.h.{one.path}")) for run in runs
        ]
        for one in SIGNALS
        if one.path in COMPARED
    }
    facts = {name: [make(run) for run in runs] for name, make in FACTS.items()}
    same = {name: column[0] for name, column in facts.items() if len(set(column)) == 1 and len(runs) > 1}
    columns |= {name: column for name, column in facts.items() if name not in same}
    columns = {name: column for name, column in columns.items() if set(column) != {"–"}}
    known = ", ".join(f"{name} {value}" for name, value in same.items() if value not in ("–", "none"))
    told = f"The same in all {len(runs)} runs: {known}. " if known else ""
    return Table(
        title="One row a run",
        head=("run", *columns),
        rows=list(zip(names, *columns.values(), strict=True)),
        read=f"{told}Press a heading to sort. Answers while training are the monitor's, on few images, and no "
        f"diagnosis: {DIAGNOSE}. Accuracies are comparable only where the protocol is the same; signals only "
        "where images and policy are. Intervals are 95 %.",
        sortable=True,
        whole=True,
    )


def _accuracy(runs: Sequence[RunRecords], of: str, probe: str) -> list[str]:
    found = [{(row.of, row.name): estimate(row) for row in measured.scores(run)} for run in runs]
    return [measured.percent(cells.get((of, probe))) for cells in found]


def _last_loss(run: RunRecords) -> str:
    losses = [value for value in column(run.steps, "loss") if value is not None]
    return short(losses[-1] if losses else None)


def _speed(run: RunRecords) -> str:
    speeds = sorted(value for value in column(run.steps, "images_per_second") if value is not None)
    return short(speeds[len(speeds) // 2] if speeds else None)


def _setting(path: str) -> Callable[[RunRecords], str]:
    return lambda run: words(value_at(run.settings, path))


FACTS: dict[str, Callable[[RunRecords], str]] = {
    "method": method,
    "policy": _setting("policy.name"),
    "data": _setting("data.source"),
    "encoder": _setting("encoder.name"),
    "epochs": _setting("training.epochs"),
    "seed": _setting("training.seed"),
    "protocol": lambda run: ", ".join(sorted({row.protocol for row in measured.scores(run)})) or "–",
    "last loss (own unit)": _last_loss,
    "images per second (median)": _speed,
}
"""What was run; a column where runs differ, else told once."""


def judged_columns(judged: Sequence[Judgement]) -> dict[str, list[str]]:
    """Columns of a table of runs: sound, learning, useful where that is known of one, and whose answers they are."""
    answers = {name: [one.answers[place] for one in judged] for place, name in enumerate(QUESTIONS)}
    kept = {
        name: column
        for name, column in answers.items()
        if name != "useful" or any(a.answered for a in column)
    }
    columns = {f"{name}?": [_brief(one) for one in column] for name, column in kept.items()}
    return columns | {"answers from": [one.origin or "–" for one in judged]}


def _brief(answer: ShownAnswer) -> str:
    """The word, with what decided where that is short; the run's own page says it in full."""
    return answer.said if len(answer.reason) <= 40 else answer.marked


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


def _try(filled: Filled, make: Callable[[], Block | Sequence[Block] | None]) -> None:
    try:
        found = make()
    except WRONG as error:
        filled.notices.append(f"A part was left out: a record has an unexpected form ({error}).")
        return
    filled.blocks.extend(blocks_of(found))
