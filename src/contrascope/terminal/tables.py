"""Settings and scores as text for a terminal."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contrascope.records.lookup import probe_order, probe_title, remarks
from contrascope.reports.blocks import Table as Block
from contrascope.reports.gains import gain_sentences
from contrascope.runs.text_settings import AnyRunSettings
from contrascope.settings import KIND, to_json

Rows = list[dict[str, Any]]


def show_settings(settings: AnyRunSettings, *, brief: bool = False) -> str:
    """Every resolved setting: as JSON, or one line a part."""
    tree = to_json(settings)
    if not brief:
        return json.dumps(tree, indent=2) + "\n"
    lines = [f"{part:>9}: {_flat(values)}\n" for part, values in tree.items() if part != KIND]
    return "".join(lines)


def show_json(rows: Rows) -> str:
    """Scores as JSON."""
    return json.dumps(rows, indent=2) + "\n"


def show_table(rows: Rows) -> str:
    """One line a representation, one column a probe: accuracy in % with its interval; what was gained and what lost."""
    probes = probe_order([row["name"] for row in rows])
    table = Table(title="accuracy in %, with 95 % interval over test images")
    table.add_column("")
    for name in probes:
        table.add_column(probe_title(name, narrow=True), justify="right")
    for of in dict.fromkeys(row["of"] for row in rows):
        mine = {row["name"]: row for row in rows if row["of"] == of}
        table.add_row(of, *[_cell(mine.get(name)) for name in probes])
    first = rows[0]
    told = "".join(f"{text}\n" for text in (*remarks(rows), *gain_sentences(rows)))
    where = f"{first['n']} {first['split']} images, protocol {first['protocol']}\n"
    return f"{table_text(table, width=110)}{where}{told}"


def shown_block(block: Block) -> Table:
    """A table of the page as one of the terminal: words on the left, numbers on the right."""
    table = Table(title=block.title)
    for place, title in enumerate(block.head):
        words = not any(any(sign.isdigit() for sign in row[place]) for row in block.rows)
        table.add_column(Text(title), justify="left" if words or place == 0 else "right")
    for row in block.rows:
        table.add_row(*map(Text, row), style="dim" if "(published)" in row[0] else None)
    return table


def table_text(table: Table, *, width: int) -> str:
    """A table as it stands in a terminal of that many columns."""
    text = StringIO()
    Console(file=text, width=width).print(table)
    return text.getvalue()


def show_run(rows: Rows, out: Path) -> str:
    """The table, what was gained and lost, and where the run lies."""
    text = show_table(rows) if rows else "No labels, so no accuracy was measured.\n"
    return (
        f"{text}The run is in {out}; use it with: contrascope embed {out} DATA --out features.safetensors\n"
    )


def show_text_run(out: Path) -> str:
    """Where a run on sentences lies, and what is asked of it next."""
    return f"The run is in {out}; ask how good it is: contrascope evaluate {out} FOLDER --suite sts\n"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    if row["value"] is None:
        return "not defined"
    return f"{100 * row['value']:.1f}\n{100 * row['low']:.1f} to {100 * row['high']:.1f}"


def _flat(values: Any) -> str:
    if not isinstance(values, dict):
        return json.dumps(values)
    words = [str(values[KIND])] if KIND in values else []
    for name, value in values.items():
        if name == KIND:
            continue
        words.append(f"{name}=({_flat(value)})" if isinstance(value, dict) else f"{name}={json.dumps(value)}")
    return " ".join(words)
