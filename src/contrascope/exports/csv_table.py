"""A table of images as CSV: without pictures and embeddings, for spreadsheets and scripts."""

import csv
from pathlib import Path

from contrascope.exports.measure import ImageTable
from contrascope.exports.rows import label_columns, row_batches
from contrascope.features.table import cell
from contrascope.progress import Progress, silent
from contrascope.records.inside import whole_file

ROWS = 1000


def write_csv(table: ImageTable, path: Path, *, rows: int = ROWS, progress: Progress = silent) -> Path:
    """Writes one row an image, UTF-8 with a head line; the file appears when it is whole.

    The columns of `write_parquet` without image and h; the neighbours are two columns of numbers with a blank
    between them. A class name that a spreadsheet would take for a formula stands behind an apostrophe.
    """
    columns = label_columns(table.images)
    names = ["id", "name", "split", "x", "y", "alignment"]
    for column in columns:
        names += [column.name, *([] if column.text is None else [column.text])]
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*map(cell, names), "neighbour_ids", "neighbour_distances"])
        for held in row_batches(table, rows, pixels=False, progress=progress):
            for values in zip(*(held[name] for name in names), held["neighbours"], strict=True):
                *plain, near = values
                lists = (near["ids"], near["distances"])
                writer.writerow([*map(cell, plain), *(" ".join(map(cell, part)) for part in lists)])
    return path
