"""Tables beside pictures, `labels.csv` or `metadata.*`: which picture each row is of, and what it says."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from contrascope.data.csv_rows import csv_rows
from contrascope.data.folders.names import counted, listed, shown_name, text_name
from contrascope.data.folders.tree import FolderTree, ending
from contrascope.data.picture_table import FILE_COLUMN
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError

STEMS = ("labels", "metadata")
"""Names, in any capitals and without their endings, of tables that belong to the pictures beside them."""
Cells = dict[str, Any]
"""One row: column to value; None where nothing stands."""


@dataclass(frozen=True, kw_only=True)
class PictureTables:
    """What the tables of a folder say of its pictures."""

    rows: dict[str, Cells] = field(default_factory=dict)
    """Picture, by its name below the root, to its row."""
    columns: dict[str, str] = field(default_factory=dict)
    """Column to the table that it is in; of several tables the first."""
    files: tuple[str, ...] = ()
    """The tables that are used."""
    told: tuple[str, ...] = ()
    """What was left out: rows without a picture, rows twice, tables without file names."""


def tables_beside(tree: FolderTree) -> tuple[str, ...]:
    """Tables by their names: in the folder itself, or directly in one of its sub-folders."""
    return tuple(
        name for name in tree.tables if name.count("/") <= 1 and PurePosixPath(name).stem.casefold() in STEMS
    )


def read_tables(tree: FolderTree, settings: DataSettings) -> PictureTables:
    """All tables of a folder; file names are relative to the folder of their table.

    Rows that name no picture, and rows that contradict each other, are an `InputError` that names them; with
    `on_bad_image="skip"` they are left out and told.
    """
    rows: dict[str, Cells] = {}
    columns: dict[str, str] = {}
    files, told = [], []
    column = settings.image_column or FILE_COLUMN
    for name in tables_beside(tree):
        held = _read(tree.root / name, ending(name))
        if not any(column in row for row in held):
            found = ", ".join(dict.fromkeys(key for row in held for key in row)) or "nothing"
            told.append(f"{shown_name(name)} is not used: it has no column {column!r}, but {found}")
            continue
        folder = name.rpartition("/")[0]
        rows, faults = _matched(tree, folder, held, column, rows)
        if faults and settings.on_bad_image == "error":
            raise InputError(
                f"{shown_name(str(tree.root / name))}: {'; '.join(faults)}. Correct the table, or leave these rows out "
                "with data.on_bad_image='skip'."
            )
        told += [f"{shown_name(name)}: {fault}, left out" for fault in faults]
        columns |= {key: name for row in held for key in row if key != column and key not in columns}
        files.append(name)
    return PictureTables(rows=rows, columns=columns, files=tuple(files), told=tuple(told))


def _matched(
    tree: FolderTree, folder: str, held: list[Cells], column: str, before: Mapping[str, Cells]
) -> tuple[dict[str, Cells], list[str]]:
    """Pictures with their rows, and what is wrong with other rows, in words."""
    find = _finder(tree, folder)
    rows, absent = dict(before), []
    twice: dict[str, None] = {}
    for place, row in enumerate(held, start=1):
        picture = find(row.get(column))
        cells = {key: value for key, value in row.items() if key != column}
        if picture is None:
            absent.append(f"row {place}: {row.get(column)}")
        elif picture in rows and any(rows[picture].get(key, value) != value for key, value in cells.items()):
            twice[picture] = None
        else:
            rows[picture] = {**rows.get(picture, {}), **cells}
    faults = [f"{counted(len(absent), 'row')} without a picture here ({listed(absent, 3)})"] if absent else []
    if twice:
        faults.append(f"{counted(len(twice), 'picture')} with two rows that differ ({listed(twice, 3)})")
    return {picture: cells for picture, cells in rows.items() if picture not in twice}, faults


def _finder(tree: FolderTree, folder: str) -> Any:
    """From what a row says to the name of a picture below the root; None where there is none."""
    start = f"{folder}/" if folder else ""
    pictures = [name for name in tree.pictures if name.startswith(start)]
    exact = {text_name(name.removeprefix(start)): name for name in pictures}
    alike: dict[str, list[str]] = {}
    for text, name in exact.items():
        alike.setdefault(unicodedata.normalize("NFC", text), []).append(name)

    def find(said: Any) -> str | None:
        if not isinstance(said, str):
            return None
        for way in (said, said.replace("\\", "/")):
            plain = str(PurePosixPath(way))
            if plain in exact:
                return exact[plain]
        forms = alike.get(unicodedata.normalize("NFC", str(PurePosixPath(said.replace("\\", "/")))), [])
        return forms[0] if len(forms) == 1 else None

    return find


def _read(path: Path, kind: str) -> list[Cells]:
    try:
        if kind == ".csv":
            return [{key: value or None for key, value in row.items()} for row in csv_rows(path)[0]]
        return _json_rows(path) if kind == ".jsonl" else _parquet_rows(path)
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(
            f"{shown_name(str(path))} cannot be read as a table ({shown_name(str(error))}); expected a whole "
            f"{kind} file in UTF-8, one row a picture. Correct it, or give it another name than labels or metadata."
        ) from error


def _json_rows(path: Path) -> list[Cells]:
    rows: list[Cells] = []
    for place, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {place}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {place} is no object with columns")
            rows.append(row)
    return rows


def _parquet_rows(path: Path) -> list[Cells]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path).to_pylist()
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
