"""metrics.jsonl: a first line that names the format, then a line a logged step or probe."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrascope.errors import InputError
from contrascope.records.decode import decoded
from contrascope.records.entry import FORMAT, Tree
from contrascope.records.files import METRICS, encoded, finite
from contrascope.records.inside import LARGEST_LOG, opened, placed, read_bytes, write_atomic
from contrascope.records.settings import read_settings

KIND = "metrics"
"""Kind of the first line; in format 0 there is none."""


@dataclass(frozen=True, kw_only=True)
class MetricsRow:
    """What the loop or a probe wrote at one step."""

    kind: str
    """`step` or `probe`."""
    step: int
    """Finished steps."""
    epoch: int | float | None = None
    """Finished epochs of a probe, the current epoch of a step."""
    values: Tree = field(default_factory=dict)
    """Everything else, under the keys of `vocabulary.ROWS`."""


@dataclass(frozen=True, kw_only=True)
class ReadRows:
    """Rows as they were read."""

    rows: tuple[MetricsRow, ...]
    """Every whole row."""
    notices: tuple[str, ...]
    """What was left out, in sentences."""


class MetricsLog:
    """The run's metrics, a line a step; continues after `step` and forgets whatever came later."""

    def __init__(self, path: Path, *, after_step: int = 0) -> None:
        kept = [row for row in read_metrics(path) if row["step"] <= after_step] if path.exists() else []
        head = {"format": FORMAT, "kind": KIND}
        write_atomic(path, b"".join(_line(row) for row in (head, *kept)))
        self._path, self._file = path, opened(path, os.O_WRONLY | os.O_APPEND)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; it reaches the operating system at once."""
        line = _line(row)
        with placed(self._path):
            while line:
                line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Close the file; nothing waits to be written, so no error of a full disk comes here."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def read_metrics(path: Path) -> list[Tree]:
    """All whole rows, strictly; a last line that a crash tore is left out, one of another kind is an error."""
    rows = []
    lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _mapping(line)
        if row is not None and row.get("kind") == KIND:
            continue
        if row is None or row_of(row) is None:
            if row is None and number == len(lines):
                break
            raise InputError(f"{path}, line {number}, is damaged; remove that line to read the rest.")
        rows.append(row)
    return rows


def read_rows(path: Path) -> ReadRows:
    """All whole rows, tolerantly; what is damaged is counted."""
    rows, bad, said = [], 0, []
    lines = [line for line in _lines(path) if line.strip()]
    for line in lines:
        tree = _mapping(line)
        if tree is not None and tree.get("kind") == KIND:
            newer = tree.get("format")
            if isinstance(newer, int) and newer > FORMAT:
                said.append(
                    f"{path.name} has format {newer}, written by a newer version; it was read as format {FORMAT}."
                )
            continue
        row = None if tree is None else row_of(tree)
        if row is None:
            bad += 1
        else:
            rows.append(row)
    if bad:
        said.append(f"{path.name}: {bad} of {len(lines)} lines are damaged and were left out.")
    return ReadRows(rows=tuple(rows), notices=tuple(said))


def training_minutes(run: Path) -> float | None:
    """Of training, on the clock: images of all logged steps over the images a second that were logged with them.

    None where nothing was logged, or where the files cannot be read.
    """
    with contextlib.suppress(InputError, OSError):
        rows = [row for row in read_metrics(run / METRICS) if row.get("kind") == "step"]
        speeds = [row["images_per_second"] for row in rows if row.get("images_per_second")]
        batch: Any = read_settings(run)["training"]["batch_size"]
        if speeds:
            slowness = sum(1 / speed for speed in speeds) / len(speeds)
            return round(rows[-1]["step"] * batch * slowness / 60, 2)
    return None


def row_of(tree: Tree) -> MetricsRow | None:
    """A row from its line; None where it names no step.

    >>> row_of({"step": 5, "epoch": 1, "loss": 0.5})
    MetricsRow(kind='step', step=5, epoch=1, values={'loss': 0.5})
    """
    step, epoch, kind = tree.get("step"), tree.get("epoch"), tree.get("kind", "step")
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    if isinstance(step, bool) or not isinstance(step, int) or not isinstance(kind, str):
        return None
    known = isinstance(epoch, (int, float)) and not isinstance(epoch, bool)
    values = {key: value for key, value in tree.items() if key not in ("kind", "step", "epoch")}
    return MetricsRow(kind=kind, step=step, epoch=epoch if known else None, values=values)


def _lines(path: Path) -> list[bytes]:
    try:
        return read_bytes(path, most=LARGEST_LOG).split(b"\n")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}). Restore it, or start the run anew."
        ) from None


def _mapping(line: bytes) -> Tree | None:
    try:
        row = decoded(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _line(row: Mapping[str, Any]) -> bytes:
    return encoded(json.dumps(finite(dict(row)), ensure_ascii=False, allow_nan=False) + "\n")
