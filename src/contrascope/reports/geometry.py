"""Figures of geometry.json and of the geometry rows of metrics.jsonl: encoder against projector."""

from collections.abc import Sequence
from typing import Any

from contrascope.records.geometry import OperationEntry
from contrascope.records.lookup import value_at
from contrascope.records.vocabulary import RANDOM_LAYERS
from contrascope.reports.blocks import Figure, Table, axes, label, role, rows_of, short
from contrascope.reports.load import RunRecords, number

COLUMNS = {
    RANDOM_LAYERS[f"{prefix}{layer}"]: (whose, layer)
    for layer in "hz"
    for prefix, whose in (("reference_", "reference"), ("", "trained"))
}
"""Column of the picture: whose operations, and which layer."""


def operations(run: RunRecords) -> Figure | None:
    """Operation x layer: variance of the layer along the operation's directions over its total."""
    names = [row.name for row in _operations(run, "trained")]
    cells = {
        head: [row.layers.get(layer) for row in _operations(run, whose)]
        for head, (whose, layer) in COLUMNS.items()
    }
    shown = {head: column for head, column in cells.items() if any(column) and len(column) == len(names)}
    if not names or not shown:
        return None
    shares = [
        [
            number(value_at(column[k], "variance_share")) if value_at(column[k], "directions") else None
            for column in shown.values()
        ]
        for k in range(len(names))
    ]
    moved = [[number(value_at(column[k], "moved")) for column in shown.values()] for k in range(len(names))]
    texts = [
        [f"{short(a, 2)} ({short(b, 2)})" for a, b in zip(*pair, strict=True)]
        for pair in zip(shares, moved, strict=True)
    ]
    directions = max(number(value_at(c, "directions")) or 0 for column in shown.values() for c in column)
    return Figure(
        title="Operation by layer: whose directions are kept?",
        alt="; ".join(f"{name}: {', '.join(row)}" for name, row in zip(names, texts, strict=True)),
        read="Each entry: the share of the layer's variance that lies along the directions in which this operation "
        f"moves it (at most {directions:.0f} of them), and in brackets how far it moves it: 0 is invariance, 1 is "
        "as far as another image. A dark entry with a small bracket is a direction that the data itself uses; a "
        "pale one is a direction that only the operation used.",
        data=[_heat(list(shown), names, shares, texts)],
        layout={
            "xaxis": {"title": {"text": "layer"}, "side": "bottom"},
            "yaxis": {"title": {"text": "operation"}, "autorange": "reversed"},
        },
        table=Table(
            title="Operation by layer",
            head=("operation", *(f"{head}: along (moved)" for head in shown)),
            rows=[(name, *row) for name, row in zip(names, texts, strict=True)],
        ),
    )


def _heat(x: list[str], y: list[str], z: list[list[float | None]], texts: list[list[str]]) -> dict[str, Any]:
    return {
        "type": "heatmap",
        "x": x,
        "y": [label(name) for name in y],
        "z": z,
        "text": texts,
        "texttemplate": "%{text}",
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Blues",
        "reversescale": True,
        "colorbar": {"title": {"text": "share"}},
        "xgap": 2,
        "ygap": 2,
    }


def removed(run: RunRecords) -> Figure | None:
    """What of each operation the projector does not see, and how well a generator describes it."""
    rows = [row for row in _operations(run, "trained") if row.removed is not None]
    if not rows:
        return None
    reference = {row.name: row for row in _operations(run, "reference")}
    names = [row.name for row in rows]
    values = [
        [number(row.removed) for row in rows],
        [number(value_at(reference.get(name), "removed")) for name in names],
        [number(row.removed_chance) for row in rows],
    ]
    heads = ("trained projector", "random projector", "chance for this rank")
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": head,
            "meta": role(head),
            "x": [label(name) for name in names],
            "y": found,
            "marker": {"pattern": {"shape": ("", "/", ".")[place]}},
        }
        for place, (head, found) in enumerate(zip(heads, values, strict=True))
        if any(value is not None for value in found)
    ]
    return Figure(
        title="What the projector removes of each operation",
        alt="Share removed: "
        + "; ".join(f"{name} {short(value, 2)}" for name, value in zip(names, values[0], strict=True)),
        read="Share of the operation's displacements in the encoder that the projector does not see: outside the "
        "column space of a linear one, outside the local Jacobian's row space of an MLP. Above the bars beside it: the "
        "projector turned away from this operation.",
        data=data,
        layout=axes("operation", "share removed (0 to 1)", barmode="group"),
        table=_removed_table(rows, names, heads, values),
    )


def _removed_table(
    rows: Sequence[OperationEntry], names: list[str], heads: tuple[str, ...], values: list[list[float | None]]
) -> Table:
    generators = [row.generator for row in rows]
    return Table(
        title="What the projector removes",
        head=(
            "operation",
            *(f"{head} (share)" for head in heads),
            "angles to a linear projector (degrees)",
            "of its exact direction at strength 0 (share)",
            "cosine of that with the displacement",
            "generator explains (share)",
            "projector sees generator (share)",
            "by chance",
        ),
        rows=rows_of(
            names,
            *values,
            [_ends(row.angles) for row in rows],
            *([number(value_at(row, f"derivative.{key}")) for row in rows] for key in ("removed", "cosine")),
            *(
                [number(value_at(one, key)) for one in generators]
                for key in ("explained", "seen", "seen_chance")
            ),
        ),
        read="A generator is one matrix G with h' = exp(strength G) h, fitted to some images and tested on others; "
        "1 is a perfect description, 0 no better than no change. Read what the projector sees of it only where it "
        "explains something.",
    )


def _ends(angles: Sequence[float | None]) -> str:
    """The least and the largest."""
    known = [angle for one in angles if (angle := number(one)) is not None]
    return f"{short(known[0], 2)} to {short(known[-1], 2)}" if known else "–"


def _operations(run: RunRecords, whose: str) -> tuple[OperationEntry, ...]:
    return value_at(run.geometry, f"{whose}.operations") or ()
