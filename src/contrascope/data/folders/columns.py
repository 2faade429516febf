"""One column of the tables beside pictures: whether it can be labels, and what it holds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contrascope.data.folders.names import shown_name, text_name
from contrascope.data.folders.tables import PictureTables


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """A column by pictures, where it says something."""

    name: str
    """The column."""
    table: str = ""
    """The table that it is in; empty for class folders."""
    values: Mapping[str, Any]
    """Picture to its label; pictures without one are missing."""
    vocabulary: tuple[Any, ...] = ()
    """Every different label of all splits."""
    several: str | None = None
    """In words, where pictures have several labels each."""

    @property
    def is_labels(self) -> bool:
        """Whether every value is one word or whole number."""
        plain = all(isinstance(value, str | int) for value in self.values.values())
        return plain and bool(self.values) and self.several is None

    @property
    def repeats(self) -> bool:
        """Whether some label is that of two pictures: a name or a caption of each is no class."""
        return len(self.vocabulary) < len(self.values)

    @property
    def what(self) -> str:
        """The column in a sentence.

        >>> TableColumn(name="caption", table="t.csv", values={"a": "x", "b": "y"}, vocabulary=("x", "y")).what
        'caption (another value for each picture)'
        """
        name = shown_name(self.name)
        if self.several is not None:
            return f"{name} (several labels a picture: {self.several}; scores here take one)"
        if not self.values:
            return f"{name} (empty)"
        if not self.is_labels:
            return f"{name} (no words or whole numbers)"
        if not self.repeats and self.table:
            return f"{name} (another value for each picture)"
        return name


def table_column(name: str, tables: PictureTables) -> TableColumn:
    """The column of the tables, its values as labels are: words, or whole numbers where all are.

    A list of one label is that label; nothing, NaN and an empty text are missing.
    """
    found = {picture: row.get(name) for picture, row in tables.rows.items()}
    lists = {picture: value for picture, value in found.items() if isinstance(value, list)}
    several = _several(lists) if any(len(value) > 1 for value in lists.values()) else None
    plain = {picture: _single(value) for picture, value in found.items()}
    values = {picture: value for picture, value in plain.items() if not _is_missing(value)}
    if any(isinstance(value, str) for value in values.values()):
        values = {picture: _text(value) for picture, value in values.items()}
    elif all(isinstance(value, int | float) and float(value).is_integer() for value in values.values()):
        values = {picture: int(value) for picture, value in values.items()}
    shown = () if several is not None else tuple(dict.fromkeys(map(_hashable, values.values())))
    return TableColumn(
        name=name, table=tables.columns[name], values=values, vocabulary=shown, several=several
    )


def _several(lists: Mapping[str, list[Any]]) -> str:
    words = sorted({str(one) for value in lists.values() for one in value})
    most = max(map(len, lists.values()))
    return f"{len(words):,} different, up to {most:,} each"


def _single(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> Any:
    """Words and numbers beside each other are all words; what is neither stays, and is no label."""
    return text_name(str(value)) if isinstance(value, str | int | float) else value


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else repr(value)
