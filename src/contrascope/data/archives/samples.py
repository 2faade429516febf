"""Samples of the WebDataset layout: files of one key, a picture and what is said of it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from contrascope.data.archives.members import AbstractMembers
from contrascope.data.folders.tree import picture_endings
from contrascope.data.labels import LABEL_NAMES, choose_columns, class_indices
from contrascope.data.pictures.reading import BadPixelsError
from contrascope.errors import InputError

MOST_SAID = 2**20
"""Longest `.cls` or `.json` file that is read."""

Said = dict[str, dict[str, Any]]
"""Picture to column to value."""


def key_of(name: str) -> tuple[str, str]:
    """The key of a sample, up to the first dot of the file's own name, and its ending in small letters.

    >>> key_of("a.b/0001.Seg.PNG")
    ('a.b/0001', '.seg.png')
    """
    folder, slash, own = name.rpartition("/")
    stem, dot, ending = own.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{ending}".lower()


def sample_pictures(names: Iterable[str], *, every: bool = False) -> dict[str, tuple[str, ...]] | None:
    """Each picture with the `.cls` and `.json` files of its key; None where no picture has one, but for `every`.

    >>> sample_pictures(["1.jpg", "1.cls", "2.jpg"])
    {'1.jpg': ('1.cls',), '2.jpg': ()}
    """
    pictures, said = {}, {}
    for name in names:
        key, ending = key_of(name)
        if f".{ending.rpartition('.')[2]}" in picture_endings():
            pictures.setdefault(key, name)
        elif ending in (".cls", ".json"):
            said.setdefault(key, []).append(name)
    if not every and not any(key in said for key in pictures):
        return None
    return {name: tuple(sorted(said.get(key, ()))) for key, name in pictures.items()}


def sample_labels(
    members: AbstractMembers, pictures: dict[str, tuple[str, ...]], wanted: str | None
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """Label columns and their class names: `label` from `.cls`, and what `.json` calls a label or the setting names.

    Raises `InputError` where some pictures lack a column that is asked for or found.
    """
    said = {name: _said(members, files) for name, files in pictures.items()}
    known = list(dict.fromkeys(column for row in said.values() for column in row))
    found = [column for column in known if column in LABEL_NAMES or column.endswith("_label")]
    labels, names = {}, {}
    for column in choose_columns(wanted, found=found, known=known, name=members.name):
        values = _column(members.name, column, [row.get(column) for row in said.values()])
        labels[column], names[column] = class_indices(values, column=column, name=members.name)
    return labels, names


def _column(name: str, column: str, values: Sequence[Any]) -> np.ndarray:
    missing = sum(value is None for value in values)
    if missing:
        raise InputError(
            f"{name} has no {column!r} for {missing:,} of {len(values):,} pictures; expected one for each. Choose "
            "another column with data.labels, or 'none'."
        )
    whole = all(isinstance(value, int) and -(2**62) < value < 2**62 for value in values)
    return np.array(values, dtype=np.int64) if whole else np.array([str(value) for value in values])


def _said(members: AbstractMembers, files: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in files:
        try:
            text = members.read(file).decode() if members.sizes[file] <= MOST_SAID else "{"
            if file.lower().endswith(".json"):
                row = json.loads(text)
                found |= {str(key): value for key, value in row.items() if isinstance(value, str | int)}
            else:
                word = text.strip()
                found["label"] = int(word) if word.isascii() and word.isdigit() and len(word) < 18 else word
        except (BadPixelsError, ValueError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{file!r} in {members.name} cannot be read ({error}); expected one whole number or word (.cls), or an "
                "object (.json). Write it again, or set data.labels='none'."
            ) from error
    return found
