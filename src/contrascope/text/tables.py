"""Tables of text: .txt, .jsonl, .csv, .parquet, a folder in the hub's layout, or a name on the hub."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contrascope.errors import InputError, MissingSplitError

Columns = dict[str, list[Any]]
"""Column to its values, all of one length."""
LINE = "text"
"""The column of a file with a line a sentence."""
LONGEST_CELL = 2**24
"""Characters of a cell of a .csv file that are read."""


def read_table(source: str, *, split: str) -> Columns:
    """Every column of a file, of a split of a folder, or of a split of a name on the hub.

    A file is read whole, whatever the split. Raises `InputError` with the file and the line where a row is broken.
    """
    if not source:
        raise InputError("no sentences are named; give data.source, a file or a folder.")
    path = Path(source).expanduser()
    if path.is_dir():
        return _joined([_read(file) for file in split_files(path, split)])
    if path.is_file():
        return _read(path)
    if path.suffix in READERS or source.startswith((".", "/", "~")):
        raise InputError(f"there is no file or folder {source}. Correct data.source.")
    return _of_hub(source, split)


def split_files(folder: Path, split: str) -> list[Path]:
    """Files of a split: SPLIT.ending or SPLIT-*.ending, in the folder or in its folder `data`."""
    files = [
        file for place in (folder, folder / "data") if place.is_dir() for file in sorted(place.iterdir())
    ]
    known = [file for file in files if file.suffix in READERS and file.is_file()]
    found = [file for file in known if file.stem == split or file.stem.startswith(f"{split}-")]
    if found:
        return found
    splits = sorted({file.stem.partition("-")[0] for file in known})
    if not splits:
        below = sorted(one.name for one in folder.iterdir() if one.is_dir())[:8]
        more = f" Its folders are {', '.join(below)}; name one of them." if below else ""
        raise InputError(f"{folder} has no .txt, .jsonl, .csv or .parquet file.{more}")
    raise MissingSplitError(f"{folder} has no split {split!r}; it has {', '.join(splits)}.")


def texts_of(columns: Columns, wanted: tuple[str, ...], *, name: str) -> list[list[str]]:
    """The texts of the wanted columns, in this order; without any of `text`, else `sentence`.

    Raises `InputError` for an absent column, and names the first row that holds no text.
    """
    if not wanted:
        usual = [word for word in (LINE, "sentence") if word in columns]
        if not usual:
            raise InputError(
                f"{name} has neither a column text nor sentence, but {', '.join(columns)}; name yours: data.columns."
            )
        wanted = (usual[0],)
    found = []
    for column in wanted:
        if column not in columns:
            raise InputError(f"{name} has no column {column!r}; it has {', '.join(columns)}.")
        for place, value in enumerate(columns[column], start=1):
            if not (isinstance(value, str) and value.strip()):
                raise InputError(
                    f"{name}, row {place}: column {column} holds {str(value)[:60]!r}; expected a text. Correct the row."
                )
        found.append(columns[column])
    return found


def _joined(parts: list[Columns]) -> Columns:
    names = parts[0].keys()
    return {name: [value for part in parts for value in part.get(name, [])] for name in names}


def _read(path: Path) -> Columns:
    reader = READERS.get(path.suffix)
    if reader is None:
        raise InputError(f"{path} is no table of text; expected {', '.join(READERS)}.")
    try:
        columns = reader(path)
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: not UTF-8 ({error.reason}). Save the file as UTF-8."
        ) from error
    if not columns or not next(iter(columns.values())):
        raise InputError(f"{path} holds no rows; expected a text a row.")
    return columns


def _lines(path: Path) -> Columns:
    lines = (line.strip() for line in path.read_bytes().decode("utf-8-sig").split("\n"))
    return {LINE: [line for line in lines if line]}


def _json_lines(path: Path) -> Columns:
    rows: list[dict[str, Any]] = []
    for place, line in enumerate(path.read_bytes().decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {place}: no JSON ({error}). Correct the line.") from error
        if not isinstance(row, dict):
            raise InputError(
                f"{path}, line {place}: expected an object with columns, got a {type(row).__name__}."
            )
        if rows and row.keys() != rows[0].keys():
            raise InputError(
                f"{path}, line {place}: has columns {', '.join(row)}, but the first row {', '.join(rows[0])}."
            )
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _comma_separated(path: Path) -> Columns:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(path.read_bytes().decode("utf-8-sig").splitlines(keepends=True), strict=True)
    columns: Columns = {}
    try:
        for row in reader:
            if not columns:
                columns = {name: [] for name in row}
            elif len(row) != len(columns):
                raise InputError(
                    f"{path}, line {reader.line_num}: has {len(row)} cells; the header has {len(columns)}."
                )
            else:
                for values, cell in zip(columns.values(), row, strict=True):
                    values.append(cell)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}. Correct the line.") from error
    return columns


def _parquet(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet ({str(error)[:200]}). Restore the file."
        ) from error


READERS: dict[str, Callable[[Path], Columns]] = {
    ".txt": _lines,
    ".jsonl": _json_lines,
    ".csv": _comma_separated,
    ".parquet": _parquet,
}
"""By the ending of a file."""


def _of_hub(name: str, split: str) -> Columns:
    from datasets import load_dataset

    try:
        found = load_dataset(name, split=split)
    except Exception as error:  # the library has no one class for it
        raise InputError(
            f"{name!r} is no file or folder here, and the hub gives no split {split!r} of it "
            f"({str(error).splitlines()[0][:200]}). Correct data.source."
        ) from error
    return dict(found.to_dict())  # pyright: ignore
