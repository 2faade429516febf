"""The geometry as text for a terminal: operations by layer, and encoder against projector."""

import json
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contrascope.diagnosis.operation_rows import STILL, OperationRow
from contrascope.geometry.tangent import OperationCell
from contrascope.records.entry import as_tree
from contrascope.records.files import finite
from contrascope.reports.geometry_facts import facts_table
from contrascope.subjects.geometry import MeasuredGeometry, geometry_record
from contrascope.terminal.tables import shown_block

HEADS = (
    "random\nencoder",
    "encoder",
    "projector",
    "removed\n(chance)",
    "by random\nprojector",
    "generator",
    "seen\n(chance)",
)
"""Columns of the operation table, after the operation."""

MEANING = (
    "random encoder, encoder, projector: share of the layer's variance along the operation's directions / how far it "
    "moves an image, 0 is not at all, 1 is as far as another image.",
    "removed: share of the operation's displacements in the encoder that the projector does not see.",
    "generator: share of displacements on held-out images that one matrix G explains, below 0 is worse than nothing; "
    "seen: how much of G a linear projector sees.",
)
"""What stands in the columns."""


def show_geometry(found: MeasuredGeometry, written: Path | None, *, as_json: bool = False) -> str:
    """The summary, or everything as JSON."""
    if as_json:
        return json.dumps(finite(as_tree(geometry_record(found))), indent=2, allow_nan=False) + "\n"
    text = StringIO()
    console = Console(file=text, width=120)
    console.print(Text(f"{found.thing}: {found.data}"), soft_wrap=True)
    if found.trained.operations:
        console.print(_operations(found))
        for line in MEANING:
            console.print(Text(f"  {line}"))
        for line in reading(found.trained.operations):
            console.print(Text(line))
    facts = facts_table(geometry_record(found))
    if facts is not None:
        console.print(shown_block(facts))
    if written is not None:
        console.print(Text(f"All numbers: {written}"), soft_wrap=True)
    return text.getvalue()


def reading(rows: Sequence[OperationRow], *, most: int = 3) -> list[str]:
    """One sentence on the encoder and one on the projector: what moves them most and least.

    An operation that does not move the encoder has no ratio; without a projector there is no second sentence.

    >>> reading([])
    []
    """
    moved = {row.name: row.layers["h"].moved for row in rows}
    damped = {row.name: row.layers["z"].moved / moved[row.name] for row in rows if _both(row)}
    lines = []
    if moved:
        names = sorted(moved, key=lambda name: -moved[name])
        lines.append(
            f"The encoder is moved most by {_named(names[:most], moved)}; least by {_named(names[::-1][:most], moved)}."
        )
    if damped:
        names = sorted(damped, key=lambda name: damped[name])
        lines.append(
            "Projector over encoder, how far an image moves: least for "
            f"{_named(names[:most], damped)}; most for {_named(names[::-1][:most], damped)}."
        )
    chances = [row.removed_chance for row in rows if row.layers["h"].directions]
    if chances and all(chance == 0 for chance in chances):
        lines.append("The projector has no kernel, its rank is the size of h: it can damp and cannot remove.")
    return lines


def _both(row: OperationRow) -> bool:
    return "z" in row.layers and row.layers["h"].moved > STILL


def _named(names: Sequence[str], values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} ({values[name]:.3g})" for name in names)


def _operations(found: MeasuredGeometry) -> Table:
    table = Table(title="operation by layer: variance along / moved")
    table.add_column("operation")
    for head in HEADS:
        table.add_column(head, justify="right")
    for row, reference in zip(found.trained.operations, found.reference.operations, strict=True):
        cells = [reference.layers.get("h"), row.layers.get("h"), row.layers.get("z")]
        generator = row.generator
        table.add_row(
            row.name,
            *map(_cell, cells),
            _with_chance(row.removed, row.removed_chance),
            _with_chance(reference.removed, None),
            "-" if generator is None else f"{generator.explained:.2f}",
            "-" if generator is None else _with_chance(generator.seen, generator.seen_chance),
        )
    return table


def _cell(cell: OperationCell | None) -> str:
    if cell is None:
        return "-"
    return f"{cell.variance_share:.2f} / {cell.moved:.3f}" if cell.directions else f"- / {cell.moved:.3f}"


def _with_chance(value: float | None, chance: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if chance is None else f"{value:.2f} ({chance:.2f})"
