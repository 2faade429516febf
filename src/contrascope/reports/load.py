"""A run's records, read tolerantly: what is missing or damaged becomes a notice, never an error."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.errors import InputError

Tree = dict[str, Any]
ADVICE = {
    records.SETTINGS: "The settings of the run are not known.",
    records.ENVIRONMENT: "Machine, versions and class names are not known.",
    records.METRICS: "There are no curves.",
    records.EVALUATION: "No accuracy was measured; that needs labels.",
    records.DIAGNOSIS: "Write it with: contrascope diagnose RUN",
    records.GALLERY: "Write it where the images are at hand, with: contrascope report RUN",
}
"""What a missing record costs, or how to get it."""


@dataclass(frozen=True, kw_only=True)
class RunRecords:
    """Everything that was found in one run's folder; an empty mapping or list where there was nothing."""

    path: str
    """The folder as it was named."""
    name: str
    """Its last part, the name on the page."""
    settings: Tree = field(default_factory=dict)
    environment: Tree = field(default_factory=dict)
    evaluation: Tree = field(default_factory=dict)
    diagnosis: Tree = field(default_factory=dict)
    gallery: Tree = field(default_factory=dict)
    geometry: Tree = field(default_factory=dict)
    best: Tree = field(default_factory=dict)
    bad_images: Tree = field(default_factory=dict)
    steps: list[Tree] = field(default_factory=list)
    """Rows of metrics.jsonl that the loop wrote."""
    probes: list[Tree] = field(default_factory=list)
    """Rows of metrics.jsonl that probes wrote."""
    notices: tuple[str, ...] = ()
    """What is missing or damaged, in sentences."""


def load(path: Path) -> RunRecords:
    """All records of a folder; raises `InputError` only where there is no folder."""
    if not path.is_dir():
        raise InputError(
            f"{path} is no folder; expected the folder of a run. Name one: contrascope report RUN"
        )
    notices: list[str] = []

    def read(name: str) -> Tree:
        found, notice = _tree(path / name)
        notices.extend([notice] if notice else [])
        return found

    rows, torn = _rows(path / records.METRICS)
    notices.extend([torn] if torn else [])
    return RunRecords(
        path=str(path),
        name=path.resolve().name or str(path),
        settings=read(records.SETTINGS),
        environment=read(records.ENVIRONMENT),
        evaluation=read(records.EVALUATION),
        diagnosis=read(records.DIAGNOSIS),
        gallery=read(records.GALLERY),
        geometry=read(records.GEOMETRY),
        best=read(records.BEST),
        bad_images=read(records.BAD_IMAGES),
        steps=[row for row in rows if row.get("kind", "step") == "step"],
        probes=[row for row in rows if row.get("kind") == "probe"],
        notices=tuple(notices),
    )


def _tree(path: Path) -> tuple[Tree, str]:
    if not path.exists():
        advice = ADVICE.get(path.name)
        return {}, f"{path.name} is missing. {advice}" if advice else ""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{path.name} is damaged and was left out ({_brief(error)})."
    if not isinstance(value, dict):
        return {}, f"{path.name} is damaged and was left out (it holds a {type(value).__name__})."
    return value, ""


def _rows(path: Path) -> tuple[list[Tree], str]:
    if not path.exists():
        return [], f"{path.name} is missing. {ADVICE[path.name]}"
    try:
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    except OSError as error:
        return [], f"{path.name} cannot be read ({_brief(error)})."
    rows, bad = [], 0
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and number(row.get("step")) is not None:
            rows.append(row)
        else:
            bad += 1
    return rows, f"{path.name}: {bad} of {len(lines)} lines are damaged and were left out." if bad else ""


def number(value: Any) -> float | None:
    """A finite number, or None for anything else, truth values among them.

    >>> number(2), number(True), number(float("nan")), number("3")
    (2.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def at(tree: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none.

    >>> at({"a": {"b": 1}}, "a.b"), at({"a": 3}, "a.b")
    (1, None)
    """
    for part in path.split("."):
        if not isinstance(tree, dict):
            return None
        tree = tree.get(part)
    return tree


def estimate(value: Any) -> tuple[float, float, float] | None:
    """Value, lower and upper end of a stored estimate or plain number.

    >>> estimate({"value": 1.0, "low": 0.5, "high": 2.0}), estimate(3), estimate("x")
    ((1.0, 0.5, 2.0), (3.0, 3.0, 3.0), None)
    """
    if not isinstance(value, dict):
        plain = number(value)
        return None if plain is None else (plain, plain, plain)
    middle = number(value.get("value"))
    if middle is None:
        return None
    low, high = number(value.get("low")), number(value.get("high"))
    return middle, middle if low is None else low, middle if high is None else high


def trees(value: Any) -> list[Tree]:
    """The mappings of a stored list; anything else in it is left out.

    >>> trees([{"a": 1}, 2]), trees(None)
    ([{'a': 1}], [])
    """
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def column(rows: Sequence[Tree], key: str) -> list[float | None]:
    """One value a row, None where it is missing."""
    return [number(row.get(key)) for row in rows]


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__
