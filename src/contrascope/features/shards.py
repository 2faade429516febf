"""Features as a folder of Parquet files, each written whole: what is there is complete, what is missing is missing."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contrascope.data.pictures.cells import PARQUET_ERRORS
from contrascope.errors import InputError
from contrascope.features.features import Features
from contrascope.features.parquet import ROWS, as_table
from contrascope.features.shard_names import NAME
from contrascope.records.inside import inside, whole_file


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A file of a folder of features: the images `start` to `stop` - 1."""

    number: int
    """From 0."""
    of: int
    """Shards in all."""
    start: int
    """Its first image."""
    stop: int
    """The image behind its last one."""

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def name(self) -> str:
        """Its file."""
        return f"part-{self.number:05d}-of-{self.of:05d}.parquet"


def shards_of(count: int, rows: int) -> tuple[Shard, ...]:
    """The shards of so many images, `rows` each; the last may be shorter.

    >>> [(one.name, one.start, one.stop) for one in shards_of(5, 3)]
    [('part-00000-of-00002.parquet', 0, 3), ('part-00001-of-00002.parquet', 3, 5)]
    """
    starts = range(0, count, rows)
    return tuple(
        Shard(number=number, of=len(starts), start=start, stop=min(start + rows, count))
        for number, start in enumerate(starts)
    )


def is_there(folder: Path, shard: Shard) -> bool:
    """Whether a shard is in the folder with all its rows; a damaged one is removed, to be written anew.

    Raises `InputError` where a link has its name.
    """
    path = inside(folder, shard.name)
    if not path.exists():
        return False
    try:
        if pq.read_metadata(path).num_rows == len(shard):
            return True
    except PARQUET_ERRORS:
        pass
    path.unlink()
    return False


def check_free(folder: Path, *, beside: str) -> None:
    """Raises `InputError` where the folder is none, or holds anything but shards and the name `beside`."""
    if not folder.exists():
        return
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
    foreign = [name for name in names if name != beside and name[0] != "." and not NAME.fullmatch(name)]
    if foreign or (names and not (folder / beside).is_dir()):
        raise InputError(
            f"{folder} holds {min(foreign or names)} and is no folder of features that were begun by this command. "
            "Choose another --out."
        )


def remove_scraps(folder: Path) -> None:
    """Removes what a process that was killed had begun to write."""
    for path in folder.glob(".part-*.parquet.*.part"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def shard_writer(path: Path) -> Iterator["RowGroups"]:
    """Takes features and writes them as one Parquet file, which appears whole at the end of the block or not at all."""
    with whole_file(path) as partial:
        rows = RowGroups(partial)
        try:
            yield rows
            rows.flush()
        finally:
            rows.close()


class RowGroups:
    """A Parquet file that grows: memory holds one group of rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []

    def add(self, features: Features) -> None:
        """The next rows."""
        self._waiting.append(as_table(features))
        if sum(len(one) for one in self._waiting) >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._writer = self._writer or pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table, row_group_size=len(table))
        self._waiting = []

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()
