"""Parquet files before they are converted: whole, and no larger than a small file may honestly become."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contrascope.data.array_files import check_regular, unfolds_to
from contrascope.errors import InputError

READ_WHOLE = 2**26
"""Files up to this length are measured cell by cell; one cell may stand for thousands of rows."""
AT_ONCE = 2**28
"""Bytes of rows that are converted at a time."""
MOST_ROWS = 1000

PARQUET_ERRORS = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError)
"""What reading raises for files that are no whole Parquet."""


def check_parquet(files: Sequence[Path]) -> int:
    """The rows to convert at a time, so that memory stays small.

    Raises `InputError` for a file that is not whole, or that unfolds to far more than its length.
    """
    rows = MOST_ROWS
    for file in files:
        try:
            check_regular(file)
            length = file.stat().st_size
            with pq.ParquetFile(file) as table:
                rows = min(rows, _rows_at_once(table.metadata))
                _measure(table, length, file)
        except PARQUET_ERRORS as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{file} is no whole Parquet file ({error}); expected one. Download or write it again."
            ) from error
    return rows


def _measure(table: pq.ParquetFile, length: int, file: Path) -> None:
    limit, found = unfolds_to(length), 0
    groups = [table.metadata.row_group(place) for place in range(table.metadata.num_row_groups)]
    _refuse_above(limit, sum(max(0, group.total_byte_size) for group in groups), file, length)
    if length > READ_WHOLE:
        return
    largest = max((group.total_byte_size for group in groups), default=1)
    for batch in table.iter_batches(batch_size=max(1, min(MOST_ROWS, AT_ONCE // 2 // max(1, largest)))):
        found += batch.nbytes
        _refuse_above(limit, found, file, length)


def _refuse_above(limit: int, found: int, file: Path, length: int) -> None:
    if found > limit:
        raise InputError(
            f"{file} has {length / 2**20:,.1f} MiB and unfolds to more than {limit / 2**20:,.0f} MiB; pictures and "
            "embeddings do not fold so small. Write it again with a value of its own in each row."
        )


def _rows_at_once(metadata: pq.FileMetaData) -> int:
    """As many rows as fit `AT_ONCE` by the mean of the rows."""
    size = sum(max(0, metadata.row_group(place).total_byte_size) for place in range(metadata.num_row_groups))
    return max(1, AT_ONCE * max(1, metadata.num_rows) // max(1, size))
