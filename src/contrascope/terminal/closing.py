"""What stands last after training: the verdict in one line."""

from pathlib import Path
from typing import Any

from contrascope import records


def verdict_line(run: Path) -> str:
    """The run's own last verdict with its first reason, and how to get the whole diagnosis."""
    path = run / records.METRICS
    rows = [row for row in records.read_metrics(path) if row.get("kind") == "probe" and row.get("verdict")]
    if not rows:
        return f"Not diagnosed while training; ask: contrascope diagnose {run}\n"
    last = rows[-1]
    return f"Verdict: {last['verdict']}. {_reason(last)}In full: contrascope diagnose {run}\n"


def _reason(row: dict[str, Any]) -> str:
    said = row.get("evidence")
    if not said and isinstance(row.get("h_retrieval"), float):
        said = (
            f"a view finds another view of its image first for {100 * row['h_retrieval']:.1f} % of the images"
        )
    if not said:
        return ""
    return f"{said[0].upper()}{said[1:].rstrip('.')}. "
