"""A table of images that a person labels: `file,class`, written with empty classes and read again."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.data.csv_rows import csv_rows
from contrascope.data.folders.names import shown_name
from contrascope.errors import InputError
from contrascope.features.table import cell
from contrascope.records.inside import whole_file

COLUMNS = ("file", "class")
NAMED = 3
"""Files that a message names."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Images that a person gave a class."""

    ids: Int[Tensor, " n"]
    """Which images, rising."""
    labels: Int[Tensor, " n"]
    """The class of each, as a place in `classes`."""
    classes: tuple[str, ...]
    """Names of the classes, sorted."""


def read_labelled(path: Path, names: Sequence[str]) -> Labelled:
    """The labelled images of a CSV file with the columns file and class; rows without a class are skipped.

    `names` are those of all images, as `images.names()` gives them. A file may come twice with the same class. Other
    columns are not looked at. Raises `InputError` for a file that is none of these images, one with two classes, and a
    table without any class.
    """
    found: dict[int, str] = {}
    place = {cell(name): at for at, name in enumerate(names)} | {name: at for at, name in enumerate(names)}
    absent, twice = [], []
    for name, word in filled_classes(path):
        at = place.get(name)
        if at is None:
            absent.append(name)
        elif found.setdefault(at, word) != word:
            twice.append(name)
    if absent:
        raise InputError(
            f"{path} names {_listed(absent)}, and the images have no such name; they are called as "
            f"{shown_name(names[0]) if names else 'none'}. Correct the column file."
        )
    if twice:
        raise InputError(f"{path} gives two classes to {_listed(twice)}. Leave one row of each.")
    if not found:
        raise InputError(f"{path} has no class in any row; fill in the column class.")
    ids, classes = sorted(found), sorted(set(found.values()))
    code = {word: at for at, word in enumerate(classes)}
    return Labelled(
        ids=torch.tensor(ids), labels=torch.tensor([code[found[at]] for at in ids]), classes=tuple(classes)
    )


def filled_classes(path: Path) -> list[tuple[str, str]]:
    """File and class of every row that has a class; without blanks around it."""
    path = path.expanduser()
    try:
        rows, columns = csv_rows(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected a CSV file.") from error
    if not set(COLUMNS) <= set(columns):
        raise InputError(
            f"{path} has the columns {', '.join(columns) or '(none)'}; expected file and class, with commas between. "
            "Name them so in the first line."
        )
    return [(row["file"], row["class"].strip()) for row in rows if row["class"].strip()]


def write_labelled(path: Path, names: Sequence[str], classes: Mapping[str, str] | None = None) -> Path:
    """A table of these images to fill in; `classes` are those that are known, by the file's cell."""
    known = {} if classes is None else classes
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([cell(name), known.get(cell(name), "")] for name in names)
    return path


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(shown_name(name) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
