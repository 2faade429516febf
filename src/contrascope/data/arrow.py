"""Encoded images in memory-mapped Arrow files, read without letting the map grow in memory."""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import pyarrow as pa
from pyarrow import compute

from contrascope.data.folders.names import shown_name
from contrascope.data.imageset import LookUp
from contrascope.data.pictures.reading import BadPixelsError
from contrascope.data.pictures.regular import LONGEST, MOST_BYTES, read_below
from contrascope.data.source import AbstractSource

PAGES_PER_READ = 2**17
"""Bytes that one read may map besides its own: the kernel maps neighbouring pages with each fault."""


class MappedColumn(NamedTuple):
    """The batches of one column, with the row at which each begins."""

    starts: list[int]
    data: list[pa.Array]
    paths: list[pa.Array | None]

    @property
    def rows(self) -> int:
        return self.starts[-1]


@final
class ArrowSource(AbstractSource):
    """One image column of the Arrow files that `datasets` made.

    Mapped pages count as resident memory once they are read. After about `mapped_bytes` of reading, the files
    are mapped afresh and the old map is let go, so an epoch over any number of images stays within it.
    """

    def __init__(
        self,
        files: tuple[str, ...],
        *,
        column: str,
        name: str,
        mapped_bytes: int,
        roots: tuple[Path, ...] = (),
    ) -> None:
        self.name = name
        self._roots = roots
        self._files = files
        self._column = column
        self._mapped_bytes = mapped_bytes
        self._lock = threading.Lock()
        self._touched = 0
        self._mapped = map_column(files, column)

    def __len__(self) -> int:
        return self._mapped.rows

    def image_name(self, row: int) -> str:
        path = _path(self._mapped, row)
        return f"{self.name} row {row} of column {self._column!r}" + (
            f" ({shown_name(path[:LONGEST])})" if path else ""
        )

    def row_names(self) -> LookUp:
        files, column = self._files, self._column

        def found(rows: Sequence[int]) -> list[str]:
            mapped = map_column(files, column)  # anew, and let go at the end: the map would grow in memory
            return [_path(mapped, row) or str(row) for row in rows]

        return found

    def read(self, row: int) -> bytes:
        mapped = self._current()
        batch, place = _locate(mapped, row)
        cell = mapped.data[batch][place]
        if cell.is_valid:
            self._touched += len(cell.as_buffer())
            if len(cell.as_buffer()) > MOST_BYTES:
                raise BadPixelsError(f"has more than {MOST_BYTES // 2**20} MiB, the most of one picture")
            return cell.as_py()
        path = _path(mapped, row)
        if path is None:
            raise BadPixelsError("is empty: it has neither bytes nor a path")
        return read_below(path, self._roots)

    def identity(self) -> bytes:
        lengths = [_lengths(data).to_numpy(zero_copy_only=False) for data in self._mapped.data]
        return np.concatenate(lengths).astype("<i8").tobytes()

    def _current(self) -> MappedColumn:
        with self._lock:
            self._touched += PAGES_PER_READ
            if self._touched > self._mapped_bytes:
                self._mapped = map_column(self._files, self._column)
                self._touched = 0
            return self._mapped


def map_column(files: tuple[str, ...], column: str) -> MappedColumn:
    """The column of all files, in order, without a copy."""
    data, paths = [], []
    for file in files:
        with pa.memory_map(file) as mapped, pa.ipc.open_stream(mapped) as reader:
            for batch in reader:
                array = batch.column(column)
                fields = {"bytes": array}
                if pa.types.is_struct(array.type):
                    fields = dict(zip([field.name for field in array.type], array.flatten(), strict=True))
                data.append(fields["bytes"])
                path = fields.get("path")
                paths.append(path if path is not None and pa.types.is_string(path.type) else None)
    return MappedColumn(list(accumulate(map(len, data), initial=0)), data, paths)


def _path(mapped: MappedColumn, row: int) -> str | None:
    batch, place = _locate(mapped, row)
    paths = mapped.paths[batch]
    return None if paths is None else paths[place].as_py()


def _lengths(data: pa.Array) -> pa.Array:
    # By name: the function is generated when pyarrow is imported, so that type checkers do not know it.
    return compute.call_function("binary_length", [data]).fill_null(0)


def _locate(mapped: MappedColumn, row: int) -> tuple[int, int]:
    batch = bisect_right(mapped.starts, row) - 1
    return batch, row - mapped.starts[batch]
