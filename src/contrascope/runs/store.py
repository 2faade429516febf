"""Whether a record may be gone on with."""

from pathlib import Path
from typing import Any

from contrascope import records


def continued(out: Path | None, marks: dict[str, Any]) -> dict[str, Any] | None:
    """The record at `out`, if it carries the same marks: settings, encoder and images."""
    if out is None or not out.is_file():
        return None
    found = records.read_json(out)
    return found if all(found.get(key) == value for key, value in marks.items()) else None
