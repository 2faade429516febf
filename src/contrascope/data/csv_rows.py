"""Tables as comma-separated text."""

import csv
from pathlib import Path

from contrascope.errors import InputError

Row = dict[str, str]
"""Cells by column."""


def csv_rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a CSV file, every one with a cell for every column, and the columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            columns = list(table.fieldnames or ())
            rows = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as a table ({error}); expected comma-separated UTF-8."
        ) from error
    for place, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise InputError(f"{path}, row {place}: it has not the {len(columns)} cells of the first line.")
    return rows, columns
