"""Accuracies of several runs in one figure: only of runs that were assessed under one protocol."""

from collections.abc import Sequence
from typing import Any

from contrascope.records.lookup import probe_order, probe_title
from contrascope.reports import measured
from contrascope.reports.blocks import DASHES, SYMBOLS, Figure, Table, label
from contrascope.reports.gains import TRAINED
from contrascope.reports.load import RunRecords, estimate

Found = tuple[float, float, float]
REFERENCE = "random encoder"


def accuracies(names: Sequence[str], runs: Sequence[RunRecords]) -> list[Figure]:
    """A figure a protocol: probes across, a mark with its interval for each run, its random encoder in grey."""
    known = [
        (place, name, run) for place, (name, run) in enumerate(zip(names, runs, strict=True)) if _rows(run)
    ]
    by_protocol: dict[str, list[tuple[int, str, RunRecords]]] = {}
    for place, name, run in known:
        by_protocol.setdefault(", ".join(sorted({row.protocol for row in _rows(run)})), []).append(
            (place, name, run)
        )
    return [_figure(protocol, mine, len(by_protocol) > 1) for protocol, mine in by_protocol.items()]


def _rows(run: RunRecords) -> list[Any]:
    return [row for row in measured.scores(run) if row.of == TRAINED]


def _figure(protocol: str, mine: Sequence[tuple[int, str, RunRecords]], several: bool) -> Figure:
    probes = probe_order([row.name for _, _, run in mine for row in _rows(run)])
    cells = {name: {(r.of, r.name): estimate(r) for r in measured.scores(run)} for _, name, run in mine}
    title = f"Accuracy under protocol {protocol or 'unknown'}" if several else "Accuracy"
    table = Table(
        title=title,
        head=(
            "run",
            *(f"{probe_title(one)} (%)" for one in probes),
            f"{REFERENCE}, {probe_title(probes[0])} (%)",
        ),
        rows=[
            (
                name,
                *(measured.percent(cells[name].get((TRAINED, one))) for one in probes),
                measured.percent(cells[name].get((REFERENCE, probes[0]))),
            )
            for _, name, _ in mine
        ],
        note=f"protocol {protocol or 'unknown'}",
    )
    width = min(0.15, 0.7 / len(mine))
    beside = [width * (k - (len(mine) - 1) / 2) for k in range(len(mine))]
    data = [
        _marks(name, [cells[name].get((TRAINED, one)) for one in probes], place, shift)
        for (place, name, _), shift in zip(mine, beside, strict=True)
    ]
    random = [
        (at + shift, 100 * found[0])
        for (_, name, _), shift in zip(mine, beside, strict=True)
        for at, one in enumerate(probes)
        if (found := cells[name].get((REFERENCE, one))) is not None
    ]
    ticks = {"tickvals": list(range(len(probes))), "ticktext": [label(probe_title(one)) for one in probes]}
    return Figure(
        title=title,
        alt="; ".join(f"{row[0]}: {', '.join(row[1:-1])}" for row in table.rows),
        read="Marks are accuracies of the trained encoders on test images, lines their 95 % intervals; a grey bar "
        "is the random encoder of the same run. What training bought is the distance to it."
        + (" Runs of another protocol stand in a figure of their own." if several else ""),
        data=[*data, *([_random(random)] if random else [])],
        layout={
            "xaxis": {"title": {"text": "classifier"}, "range": [-0.5, len(probes) - 0.5], **ticks},
            "yaxis": {"title": {"text": "accuracy (%)"}},
        },
        table=table,
        wide=True,
    )


def _marks(name: str, found: Sequence[Found | None], place: int, shift: float) -> dict[str, Any]:
    kept = [(at, one) for at, one in enumerate(found) if one is not None]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(name),
        "meta": f"run {place}",
        "x": [at + shift for at, _ in kept],
        "y": [100 * value for _, (value, _, _) in kept],
        "error_y": {
            "type": "data",
            "array": [100 * (high - value) for _, (value, _, high) in kept],
            "arrayminus": [100 * (value - low) for _, (value, low, _) in kept],
        },
        "line": {"dash": DASHES[place % len(DASHES)]},
        "marker": {"size": 10, "symbol": SYMBOLS[place % len(SYMBOLS)]},
    }


def _random(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "random encoders",
        "meta": "reference",
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "marker": {"size": 20, "symbol": "line-ew", "line": {"width": 3}},
    }
