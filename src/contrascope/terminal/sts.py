"""The suite of semantic textual similarity as a table."""

import json

from rich.table import Table

from contrascope.evaluation.sts_settings import AGGREGATIONS, SETS
from contrascope.records.entry import as_tree
from contrascope.records.suites import SimilarityEntry, SimilarityRecord
from contrascope.suites.sts import average
from contrascope.terminal.tables import table_text

WIDTH = 120


def show_sts(record: SimilarityRecord, *, as_json: bool) -> str:
    """Correlations in hundredths with their intervals, the average over the six sets, and the gain over TF-IDF."""
    if as_json:
        return json.dumps(as_tree(record), indent=2) + "\n"
    sets = [name for name in SETS if any(row.set == name for row in record.rows)]
    table = Table(title="Spearman x 100, all pairs of a set joined, with 95 % interval over pairs")
    table.add_column("")
    for name in (*sets, "avg6"):
        table.add_column(name, justify="right")
    lines = []
    for of in dict.fromkeys(row.of for row in record.rows):
        mine = {row.set: row for row in record.rows if row.of == of}
        mean = average(record, of)
        table.add_row(
            of, *[_cell(mine.get(name)) for name in sets], "-" if mean is None else f"{100 * mean:.1f}"
        )
        lines += [_gain(of, row) for row in mine.values() if row.set == "stsb" and row.gain is not None]
    split = next((row.split for row in record.rows if row.set == "stsb"), "test")
    told = [
        f"stsb is its {split} split; avg6 is the mean of sts12 to sts16 and stsb, without SICK-R.",
        f"pooled by {record.pool}; joined as `all`: {AGGREGATIONS['all']}; --json has mean and wmean too.",
        *lines,
    ]
    return table_text(table, width=WIDTH) + "".join(f"{line}\n" for line in told)


def _cell(row: SimilarityEntry | None) -> str:
    if row is None or row.all is None or row.low is None or row.high is None:
        return "-"
    return f"{100 * row.all:.1f}\n{100 * row.low:.1f} to {100 * row.high:.1f}"


def _gain(of: str, row: SimilarityEntry) -> str:
    assert row.gain is not None  # the caller asks for nothing else
    low, high = row.gain_low or 0.0, row.gain_high or 0.0
    word = "above" if low > 0 else "below" if high < 0 else "not told apart from"
    return f"{of} is {word} TF-IDF on stsb: {100 * row.gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})."
