"""Pictures that a CSV file lists: a column with their files, the other columns are labels."""

from pathlib import Path

import torch

from contrascope.data.csv_rows import Row, csv_rows
from contrascope.data.imageset import ImageSet
from contrascope.data.labels import choose_columns
from contrascope.data.load import load_images
from contrascope.data.settings import DataSettings
from contrascope.data.source import FileSource
from contrascope.errors import InputError, MissingSplitError, did_you_mean

FILE_COLUMN, SPLIT_COLUMN = "file_name", "split"
"""Columns that are no labels; the first may be named by `data.image_column`."""


def open_picture_table(settings: DataSettings, cache_dir: Path | None = None) -> ImageSet:
    """The pictures of a table, in its order; files are below the table's folder.

    Every other column is a label whose classes are its words, sorted; a column `split` chooses rows.
    """
    del cache_dir
    path = Path(settings.source).expanduser()
    column = settings.image_column or FILE_COLUMN
    rows, columns = _rows(path, column)
    rows = _of_split(rows, columns, settings.split, path)
    files = tuple(_file(path.parent, row[column], place) for place, row in enumerate(rows, start=1))
    known = [name for name in columns if name not in (column, SPLIT_COLUMN)]
    labels, names = {}, {}
    for label in choose_columns(settings.labels, found=known, known=known, name=str(path)):
        words = sorted({row[label] for row in rows})
        index = {word: place for place, word in enumerate(words)}
        labels[label] = torch.tensor([index[row[label]] for row in rows])
        names[label] = tuple(words)
    source = FileSource(path.parent, files)
    return load_images(source, labels=labels, class_names=names, settings=settings)


def _rows(path: Path, column: str) -> tuple[list[Row], list[str]]:
    rows, columns = csv_rows(path)
    if column not in columns:
        raise InputError(
            f"{path} has no column {column!r} with the pictures' files. {did_you_mean(column, columns)} "
            "Name it with --data.image-column."
        )
    return rows, columns


def _of_split(rows: list[Row], columns: list[str], split: str, path: Path) -> list[Row]:
    if split == "all" or (SPLIT_COLUMN not in columns and split == "train"):
        chosen = rows
    elif SPLIT_COLUMN not in columns:
        raise MissingSplitError(
            f"{path} has no column {SPLIT_COLUMN!r}, so no split {split!r}; expected train or all."
        )
    else:
        chosen = [row for row in rows if row[SPLIT_COLUMN] == split]
        if not chosen:
            found = ", ".join(sorted({row[SPLIT_COLUMN] for row in rows}))
            raise MissingSplitError(f"{path} has no rows of split {split!r}; it has {found}.")
    if not chosen:
        raise InputError(f"{path} lists no pictures; expected a row each below the first line.")
    return chosen


def _file(folder: Path, name: str, place: int) -> Path:
    """The picture of a row: a path below the table's folder, not a link out of it."""
    file = folder / name
    if Path(name).is_absolute() or not file.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"row {place} names {name!r}, which is not below {folder}; give paths below the table's folder."
        )
    if not file.is_file():
        raise InputError(
            f"row {place} names {name!r}, and there is no such file in {folder}. Correct the row, or remove it."
        )
    return file
