"""The list of papers' tables in a terminal: what each is, costs, and how far it is."""

import json
from pathlib import Path
from typing import Any

from rich.table import Table as Frame
from rich.text import Text

from contrascope.errors import InputError
from contrascope.papers.collect import kept_table
from contrascope.papers.cost import minutes_of
from contrascope.papers.place import folder_of
from contrascope.papers.scales import find_sources
from contrascope.papers.table import Scale
from contrascope.papers.tables import all_tables
from contrascope.records.sweeps import FINISHED
from contrascope.terminal.tables import table_text


def show_tables(scale: Scale, out: Path, *, as_json: bool = False) -> str:
    """A line a table, or all of it as JSON."""
    rows = [_row(name, scale, out) for name in all_tables()]
    if as_json:
        return json.dumps(rows, indent=2) + "\n"
    frame = Frame(title=f"tables at scale {scale}")
    for title in ("table", "what", "cells", "hours a seed", "state"):
        frame.add_column(Text(title), justify="right" if title in ("cells", "hours a seed") else "left")
    for row in rows:
        frame.add_row(
            row["table"], row["what"], str(row["cells"]), f"{row['minutes'] / 60:.1f}", row["state"]
        )
    where = "one thread of a CPU alone" if scale == "cpu" else "an H100: a guess, not measured"
    lines = [
        table_text(frame, width=110).rstrip("\n"),
        f"Hours of {where}. Start one: contrascope reproduce TABLE",
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, scale: Scale, out: Path) -> dict[str, Any]:
    table = all_tables()[name]
    cells = table.cells(scale, find_sources(None))
    return {
        "table": name,
        "what": table.title,
        "source": table.source,
        "cells": len(cells),
        "minutes": round(minutes_of(cells, scale), 1),
        "claims": [one.key for one in table.claims],
        "state": _state(out / folder_of(name, scale), len(cells)),
    }


def _state(folder: Path, cells: int) -> str:
    """How far a table is."""
    if not folder.is_dir():
        return "not begun"
    try:
        record = kept_table(folder)
    except InputError as error:
        return str(error)[:60]
    alone = sum(not one.seed and bool(one.measures) for one in record.cells)
    done = [one.seed for one in record.cells if one.seed and one.state == FINISHED and one.measures]
    said = [f"seed {seed}: {done.count(seed) + alone} of {cells}" for seed in dict.fromkeys(done)]
    return ", ".join(said) or "begun"
