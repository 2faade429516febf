"""A table of images as Parquet that datasets, pandas, Embedding Atlas and Spotlight open."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contrascope.exports.measure import ImageTable
from contrascope.exports.rows import LabelColumn, label_columns, row_batches
from contrascope.progress import Progress, silent
from contrascope.records.inside import whole_file

ROWS = 1000
"""Rows of a row group: what a reader, and this writer, holds at once."""


def write_parquet(table: ImageTable, path: Path, *, rows: int = ROWS, progress: Progress = silent) -> Path:
    """Writes one row an image, row group by row group; the file appears when it is whole.

    Columns: `id` (0 to n - 1), `name` (the file that it came from, or its row in the source), `split`, `image` (PNG
    bytes and a path, as the Image feature of datasets keeps them), `x` and `y` (the map), `alignment` (0 to 4), every
    label column with the name of the class beside it, `neighbours` ({"ids", "distances"}: rows, and 1 - cosine,
    nearest first, without the image itself) and `h`.
    The types of datasets are in the schema, so that `load_dataset` decodes images and class names.
    """
    schema = table_schema(label_columns(table.images))
    with whole_file(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        for held in row_batches(table, rows, pixels=True, progress=progress):
            writer.write_table(pa.Table.from_pydict(held, schema=schema), row_group_size=rows)
    return path


def table_schema(columns: list[LabelColumn]) -> pa.Schema:
    """Arrow's schema with the features of datasets in its metadata.

    >>> table_schema([]).names
    ['id', 'name', 'split', 'image', 'x', 'y', 'alignment', 'neighbours', 'h']
    """
    from datasets import ClassLabel, Features, Image, List, Value

    kinds: dict[str, Any] = {"id": Value("int64"), "name": Value("string")}
    kinds |= {"split": Value("string"), "image": Image()}
    kinds |= {name: Value("float64") for name in ("x", "y", "alignment")}
    for column in columns:
        named = column.classes and len(set(column.classes)) == len(column.classes)
        kinds[column.name] = ClassLabel(names=list(column.classes)) if named else Value("int64")
        if column.text is not None:
            kinds[column.text] = Value("string")
    kinds["neighbours"] = {"ids": List(Value("int64")), "distances": List(Value("float64"))}
    kinds["h"] = List(Value("float32"))
    return Features(kinds).arrow_schema
