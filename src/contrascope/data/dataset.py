"""Images of a data set of the library `datasets`, whatever was selected, shuffled or mapped before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import datasets
import numpy as np

from contrascope.data.arrays import ArraySource, channels_first
from contrascope.data.hub import image_column, read_labels
from contrascope.data.imageset import ImageSet, LookUp
from contrascope.data.load import load_images
from contrascope.data.pictures.reading import BadPixelsError
from contrascope.data.pictures.regular import read_regular
from contrascope.data.settings import DataSettings
from contrascope.data.source import AbstractSource
from contrascope.data.splits import pick_splits
from contrascope.errors import InputError

ARRAYS = ("Array3D", "Array2D")
"""Features of `datasets` that hold the pixels themselves."""


@final
class DatasetSource(AbstractSource):
    """One column of encoded pictures of a data set, row by row."""

    def __init__(self, table: datasets.Dataset, *, column: str, name: str) -> None:
        self.name = name
        self._column = column
        self._table = table.with_format(None).select_columns([column])
        if isinstance(table.features[column], datasets.Image):
            self._table = self._table.cast_column(column, datasets.Image(decode=False))

    def __len__(self) -> int:
        return len(self._table)

    def image_name(self, row: int) -> str:
        path = self._cell(row)[1]
        return f"{self.name} row {row} of column {self._column!r}" + (f" ({path})" if path else "")

    def row_names(self) -> LookUp:
        def found(rows: Sequence[int]) -> list[str]:
            return [self._cell(row)[1] or str(row) for row in rows]

        return found

    def read(self, row: int) -> bytes:
        data, path = self._cell(row)
        if data is not None:
            return data
        if path is None:
            raise BadPixelsError("is empty: it has neither bytes nor a path")
        return read_regular(Path(path))

    def identity(self) -> bytes:
        return f"{len(self)} {self._column}".encode()

    def _cell(self, row: int) -> tuple[bytes | None, str | None]:
        cell: Any = self._table[row][self._column]
        return (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)


def open_dataset(thing: Any, settings: DataSettings) -> ImageSet:
    """A data set, or a split of several, with its label columns."""
    if isinstance(thing, datasets.DatasetDict):
        split = settings.split if len(thing) > 1 or settings.split in thing else str(next(iter(thing)))
        chosen = [thing[name] for name in pick_splits(split, map(str, thing), name="the data set")]
        thing = chosen[0] if len(chosen) == 1 else datasets.concatenate_datasets(chosen)
    if not isinstance(thing, datasets.Dataset):
        raise InputError(
            f"images came as a {type(thing).__name__}, which cannot be read twice; expected a datasets.Dataset. "
            "Load it without streaming."
        )
    table, name = thing.with_format(None), f"data set [{thing.split or 'rows'}]"

    def values_of(label: str) -> np.ndarray:
        return np.asarray(table[label][:])

    labels, class_names = read_labels(table, values_of, values_of, name=name, settings=settings)
    source = _pixels(table, settings, name)
    return load_images(source, labels=labels, class_names=class_names, settings=settings)


def _pixels(table: datasets.Dataset, settings: DataSettings, name: str) -> AbstractSource:
    held = [column for column, kind in table.features.items() if type(kind).__name__ in ARRAYS]
    column = settings.image_column or (held[0] if held else None)
    if column not in held or column is None:
        return DatasetSource(table, column=image_column(table, settings, name), name=name)
    values = np.asarray(table.with_format("numpy")[column][:])
    return ArraySource(
        channels_first(values, f"{name} column {column!r}", channels=settings.channels),
        name=name,
        parts=(column,),
    )
