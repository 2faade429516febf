"""Every table by name, found by its paper's file. No torch."""

import importlib
import pkgutil
import re
from functools import cache

from contrascope.errors import InputError, did_you_mean
from contrascope.papers.table import PaperTable

ORDER = (
    *(
        "huang-compositions",
        "huang-strengths",
        "arcl-augmented",
        "simclr-matrix",
        "huang-modified",
        "huang-pairs",
    ),
    *("hu-tsimclr", "cosentino-geometry", "huang-curves", "huang-panels", "arcl-transfer"),
)
"""The most telling first."""
PAPER = re.compile(r"[a-z]+\d{4}(_[a-z]+)?")
"""Name of a paper's file: author, year, and what of it."""


@cache
def all_tables() -> dict[str, PaperTable]:
    """Every table; each paper's file has its own in `TABLES`.

    >>> "huang-compositions" in all_tables()
    True
    """
    found: dict[str, PaperTable] = {}
    package = importlib.import_module("contrascope.papers")
    for one in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if PAPER.fullmatch(one.name.rpartition(".")[2]):
            tables: tuple[PaperTable, ...] = importlib.import_module(one.name).TABLES
            found |= {table.name: table for table in tables}
    return {name: found[name] for name in sorted(found, key=_place)}


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def find_table(name: str) -> PaperTable:
    """The table of this name, or an error with the nearest one.

    >>> find_table("huang-compositions").name
    'huang-compositions'
    """
    tables = all_tables()
    if name not in tables:
        raise InputError(f"there is no table {name!r}. {did_you_mean(name, tables)}")
    return tables[name]
