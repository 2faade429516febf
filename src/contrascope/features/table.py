"""Features as a table, one row an image: which columns there are, what they are called, what a cell holds."""

import csv
from pathlib import Path
from typing import Any

import torch

from contrascope.errors import InputError
from contrascope.features.features import Features

OWN: tuple[str, ...] = ("name", "id", "h", "z")
"""Columns that no label column may take."""
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""First signs of a text that a spreadsheet takes for a formula."""
ROWS = 1000
"""Rows that are turned into text at once."""


def free_name(name: str, taken: set[str]) -> str:
    """The name, with `label_` before it until no other column has it; it is taken then.

    >>> free_name("id", {"id", "name"}), free_name("kind", set())
    ('label_id', 'kind')
    """
    while name in taken:
        name = f"label_{name}"
    taken.add(name)
    return name


def class_name(code: int, classes: tuple[str, ...]) -> str | None:
    """The name of a class; None for a code without one, -1 for example.

    >>> class_name(1, ("ant", "bee")), class_name(-1, ("ant", "bee"))
    ('bee', None)
    """
    return classes[code] if 0 <= code < len(classes) else None


def cell(value: Any) -> str:
    """A value as text: seven digits of a number, nothing for None, a risky text behind an apostrophe.

    >>> cell(0.123456789), cell(None), cell("=1+1"), cell("cat"), cell(-1)
    ('0.1234568', '', "'=1+1", 'cat', '-1')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, str) and value.startswith(RISKY):
        return f"'{value}"
    return str(value)


def head_columns(features: Features) -> dict[str, list[Any]]:
    """What stands before the numbers of a row: name, id, every label column with the name of its class beside it.

    >>> rows = Features(h=torch.ones(1, 1, 2), ids=torch.tensor([4]), y={"kind": torch.tensor([1])}, names=("a.png",))
    >>> head_columns(rows)
    {'name': ['a.png'], 'id': [4], 'kind': [1]}
    """
    names = features.names or tuple(map(str, features.ids.tolist()))
    held: dict[str, list[Any]] = {"name": list(names), "id": features.ids.tolist()}
    taken = set(OWN)
    for source, codes in features.y.items():
        name, classes = free_name(source, taken), features.classes.get(source, ())
        held[name] = codes.tolist()
        if classes:
            held[free_name(f"{name}_name", taken)] = [class_name(code, classes) for code in held[name]]
    return held


def check_one_view(features: Features) -> None:
    """A table has one row an image: `InputError` for several views of each."""
    if features.num_views > 1:
        raise InputError(
            f"these features have {features.num_views} views of each image, and a table has one row an image; "
            "expected one view. Write .safetensors or .npz."
        )


def write_rows(features: Features, path: Path, *, numbers: bool = True) -> None:
    """A CSV file in UTF-8 with a head line: name, id, labels, and h_0, h_1, ..., z_0, ... with nine digits."""
    check_one_view(features)
    head = head_columns(features)
    layers = {"h": features.h, "z": features.z} if numbers else {}
    blocks = {name: block[0] for name, block in layers.items() if block is not None}
    wide = [f"{name}_{place}" for name, block in blocks.items() for place in range(block.shape[1])]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*map(cell, head), *wide])
        for start in range(0, len(features), ROWS):
            rows = slice(start, start + ROWS)
            values = torch.cat(
                [
                    torch.empty(len(features.ids[rows]), 0, dtype=features.h.dtype),
                    *(one[rows] for one in blocks.values()),
                ],
                1,
            )
            columns = [column[rows] for column in head.values()]
            for plain, row in zip(zip(*columns, strict=True), values.tolist(), strict=True):
                writer.writerow([*map(cell, plain), *(f"{value:.9g}" for value in row)])
