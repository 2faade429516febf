"""The table of a sweep in a terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from contrascope.jobs.assess import HELD_OUT
from contrascope.records.entry import as_tree
from contrascope.records.sweeps import SweepRecord
from contrascope.sweeps.compared import SeedsMean, SettingRow, SweepResult, compare_settings
from contrascope.sweeps.halving import SAID
from contrascope.terminal.tables import table_text


def show_sweep(record: SweepRecord, out: Path, *, page: Path | None, as_json: bool = False) -> str:
    """One row a setting, the best one with its interval, and what may be said of it; or all of it as JSON."""
    result = compare_settings(record)
    if as_json:
        told = {**asdict(result), "sweep": as_tree(record), "folder": str(out)}
        return json.dumps({**told, "page": None if page is None else str(page)}, indent=2) + "\n"
    lines = [_table(result), *_best(result), *result.notes]
    if page is not None:
        lines.append(f"All runs on one page: {page}")
    lines.append(f"The runs are in {out}; contrascope runs {out} lists them.")
    return "\n".join(lines) + "\n"


def _table(result: SweepResult) -> str:
    table = Table(title=_title(result.seeds))
    titles = (
        "kNN %,\nheld-out training",
        f"kNN %,\n{result.split or 'test'}",
        "label-free\nscore",
        "sound",
        "learning",
        "",
    )
    for place, title in enumerate(("setting", *titles)):
        table.add_column(Text(title), justify="right" if place in (1, 2, 3) else "left")
    for row in result.rows:
        table.add_row(*map(Text, _cells(row, first=row.name == result.best)))
    return table_text(table, width=110).rstrip("\n")


def _title(seeds: Sequence[str]) -> str:
    """What the means are over.

    >>> _title(["0"]), _title([])
    ('seed 0 alone, so without intervals', 'no seed is finished by all settings')
    """
    if len(seeds) < 2:
        return (
            f"seed {seeds[0]} alone, so without intervals" if seeds else "no seed is finished by all settings"
        )
    return f"mean over seeds {', '.join(seeds)}, with 95 % interval over them (Student's t)"


def _cells(row: SettingRow, *, first: bool) -> tuple[str, ...]:
    said = ["first" if first else "", "not told apart from the first" if row.apart is False else "", row.note]
    return (
        row.name,
        _mean(row.knn_held_out, 100, 1),
        _mean(row.knn_test, 100, 1),
        _mean(row.label_free, 1, 2),
        row.sound or "-",
        row.learning or "-",
        "\n".join(filter(None, said)),
    )


def _mean(found: SeedsMean | None, times: int, digits: int) -> str:
    r"""A mean with its interval below it.

    >>> _mean(SeedsMean(value=0.5, low=0.25, high=0.75, seeds=3), 100, 1)
    '50.0\n25.0 to 75.0'
    """
    if found is None:
        return "-"
    value = f"{times * found.value:.{digits}f}"
    if found.low is None or found.high is None:
        return value
    return f"{value}\n{times * found.low:.{digits}f} to {times * found.high:.{digits}f}"


def _best(result: SweepResult) -> list[str]:
    """The best setting in a sentence, with what chose it."""
    row = next((one for one in result.rows if one.name == result.best), None)
    if row is None or result.by is None:
        return []
    percent = result.by == "knn_held_out"
    found = row.knn_held_out if percent else row.label_free
    said = _mean(found, 100 if percent else 1, 1 if percent else 2).replace("\n", " (95 %: ")
    said += ")" if "(" in said else ""
    last = "The data has no test images." if result.split == HELD_OUT else "Test images chose nothing."
    return [f"First by {SAID[result.by]}: {row.name}, {said}. {last}"]
