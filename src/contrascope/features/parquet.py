"""Embeddings in a Parquet table: a column of lists of numbers, and integer columns for labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from contrascope.features.features import Features
from contrascope.features.table import check_one_view, head_columns

ROWS = 1000
"""Rows of a row group."""
LAYERS = {"h": "h", "z": "z", "embedding": "h", "embeddings": "h", "features": "h"}
"""Column names and the layer that they hold."""


def write_table(features: Features, path: Path) -> None:
    """One row an image: name, id, labels with the names of their classes, and h and z as lists of numbers."""
    pq.write_table(as_table(features), path, row_group_size=ROWS)


def as_table(features: Features) -> pa.Table:
    """The same rows in memory; the types of the columns do not depend on what the rows hold."""
    check_one_view(features)
    columns = {name: _plain_column(values) for name, values in head_columns(features).items()}
    for name, block in (("h", features.h), ("z", features.z)):
        if block is not None:
            columns[name] = _lists(block[0])
    return pa.table(columns)


def _plain_column(values: list[Any]) -> pa.Array:
    whole = all(isinstance(value, int) for value in values)
    return pa.array(values, type=pa.int64() if whole else pa.string())


def _lists(rows: Tensor) -> pa.Array:
    flat = rows.detach().cpu().float().contiguous().numpy().reshape(-1)
    ends = np.arange(0, len(flat) + 1, rows.shape[1], dtype=np.int64)
    return pa.LargeListArray.from_arrays(pa.array(ends), pa.array(flat))


def read_names(path: Path) -> tuple[str, ...]:
    """The column `name`, where it is text without gaps; else nothing."""
    schema = pq.read_schema(path)
    if "name" not in schema.names or not pa.types.is_string(schema.field("name").type):
        return ()
    column = pq.read_table(path, columns=["name"]).column(0)
    return () if column.null_count else tuple(column.to_pylist())


def read_parquet(path: Path) -> dict[str, Tensor]:
    """Tensors h [n dim], z if there is such a column, ids, and y.NAME for every other column of integers.

    The layer columns are named h and z, or embedding, embeddings or features for h; a lone column of lists is
    h whatever its name; ids are called ids, or id. Other columns are left aside. Raises `ValueError` for rows of
    different lengths.
    """
    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    lists = [field.name for field in table.schema if _is_list(field.type)]
    layers = {name: LAYERS[name] for name in lists if name in LAYERS}
    if not layers and len(lists) == 1:
        layers = {lists[0]: "h"}
    found = {layer: _matrix(name, table.column(name)) for name, layer in layers.items()}
    own = "ids" if "ids" in table.schema.names else "id"
    for field in table.schema:
        if pa.types.is_integer(field.type):
            key = "ids" if field.name == own else f"y.{field.name}"
            found[key] = torch.from_numpy(_plain(field.name, table.column(field.name)).astype(np.int64))
    return found


def _is_list(kind: Any) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _matrix(name: str, column: Any) -> Tensor:
    array = column.combine_chunks()
    if array.null_count:
        raise ValueError(f"column {name!r} has {array.null_count} empty rows")
    flat = _plain(name, array.flatten())
    if len(array) == 0 or len(flat) % len(array):
        raise ValueError(f"column {name!r}: {len(flat)} numbers do not fill {len(array)} rows of one length")
    lengths = np.diff(array.offsets.to_numpy()) if hasattr(array, "offsets") else np.array([0])
    if len(set(lengths.tolist())) > 1:
        raise ValueError(f"column {name!r} has rows of different lengths, {lengths.min()} to {lengths.max()}")
    return torch.from_numpy(flat.reshape(len(array), -1).copy())


def _plain(name: str, array: Any) -> np.ndarray:
    if array.null_count:
        raise ValueError(f"column {name!r} has {array.null_count} missing numbers")
    values = array.to_numpy(zero_copy_only=False) if isinstance(array, pa.Array) else array.to_numpy()
    if values.dtype.kind not in "fiu":
        raise ValueError(f"column {name!r} holds {values.dtype}, no plain numbers")
    return values
