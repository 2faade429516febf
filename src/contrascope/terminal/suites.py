"""The records of the suites as tables for a terminal."""

import json
from typing import Any

from rich.table import Table

from contrascope.evaluation.published import AUGMENTED_COPIES
from contrascope.terminal.tables import table_text

REASON = "not available"
WIDTH = 130


def show_suite(record: dict[str, Any], *, as_json: bool) -> str:
    """A suite's record as JSON, or as its tables."""
    if as_json:
        return json.dumps(record, indent=2) + "\n"
    return show_augmented(record) if record["suite"] == "augmented" else show_transfer(record)


def show_augmented(record: dict[str, Any]) -> str:
    """Accuracy on the six copies beside the published ones, the risk gaps with their bounds, the corruptions."""
    own = {(row["of"], row["copy"]): row for row in record["rows"] if row["probe"] == "own"}
    names = list(dict.fromkeys(row["of"] for row in record["rows"]))
    robust = {row["of"]: row for row in record["robustness"]}
    table = _table(
        "accuracy in % of a probe learnt and tested on each copy, with 95 % interval over test images"
    )
    for copy in AUGMENTED_COPIES:
        table.add_column(copy.replace("_", "\n"), justify="right")
    table.add_column("L_AR\nunit h", justify="right")
    for of in names:
        table.add_row(
            of, *[_accuracy(own[of, copy]) for copy in AUGMENTED_COPIES], f"{robust[of]['l_ar_unit']:.3f}"
        )
    table.add_section()
    for row in record["published"]:
        cells = [f"{row['accuracy'][copy]:.2f}" for copy in AUGMENTED_COPIES]
        table.add_row(
            f"{row['of']}, {row['data']}, batch {row['batch']} (published)", *cells, "", style="dim"
        )
    parts = [
        table_text(table, width=WIDTH),
        table_text(_gaps(record, names), width=WIDTH),
        *([table_text(t, width=WIDTH)] if (t := _corruptions(record, names)) else []),
    ]
    n = record["rows"][0]["n"]
    return "".join(parts) + (
        f"{n} {record['split']} images, probes learnt on {record['train_images']}, protocol {record['protocol']}\n"
        "Published: other encoders and probes (the authors' slides state neither); read the order, not the level.\n"
    )


def _gaps(record: dict[str, Any], names: list[str]) -> Table:
    table = _table("risk (cross-entropy, nats) against the original: gap and its bound")
    for title in ("copy", "gap, own probe", "bound", "gap, original's probe", "bound", "L_AR of the pair"):
        table.add_column(title, justify="left" if title == "copy" else "right")
    rows = {(row["of"], row["copy"], row["probe"]): row for row in record["rows"] if row["severity"] is None}
    for of in names:
        table.add_section()
        for copy in AUGMENTED_COPIES[:-1]:
            own, moved = rows[of, copy, "own"], rows[of, copy, "original"]
            gaps = [_gap(own), f"{own['bound']:.2f}", _gap(moved), f"{moved['bound']:.2f}"]
            table.add_row(of, copy, *gaps, f"{moved['l_ar_unit']:.3f}")
    return table


def _corruptions(record: dict[str, Any], names: list[str]) -> Table | None:
    rows = [row for row in record["rows"] if row["severity"] is not None]
    if not rows:
        return None
    severities = sorted({row["severity"] for row in rows})
    table = _table("accuracy in % of the original's probe on corrupted test images")
    table.add_column("corruption")
    for severity in severities:
        table.add_column(f"severity {severity}", justify="right")
    table.add_column("largest |gap| / bound", justify="right")
    for of in names:
        table.add_section()
        for name in dict.fromkeys(row["copy"] for row in rows):
            mine = {row["severity"]: row for row in rows if row["of"] == of and row["copy"] == name}
            worst = max(mine.values(), key=lambda row: abs(row["risk_gap"]))
            cells = [_accuracy(mine[severity]) for severity in severities]
            table.add_row(of, name, *cells, f"{abs(worst['risk_gap']):.2f} / {worst['bound']:.2f}")
    return table


def show_transfer(record: dict[str, Any]) -> str:
    """One table a mode: sets in rows, networks in columns, means and ranks below, published means beside."""
    parts = [table_text(_transfer_table(record, mode), width=WIDTH) for mode in record["summary"]]
    missing = [
        f"{REASON}: {entry['name']}{'' if what == 'set' else f' ({what})'}: {reason}\n"
        for entry in _asked(record)
        for what, reason in entry[REASON].items()
    ]
    return "".join([*parts, *missing, f"protocol {record['protocol']}\n"])


def _transfer_table(record: dict[str, Any], mode: str) -> Table:
    summary = {of: found for of, found in record["summary"][mode].items() if of != "published"}
    table = _table(f"{mode.replace('_', ' ')}: score in % with 95 % interval over test images")
    for title in ("metric", "tested on", *summary):
        table.add_column(title, justify="right" if title in summary else "left")
    for entry in _asked(record):
        rows = {row["of"]: row for row in entry["rows"] if row["mode"] == mode}
        cells = [_score(rows.get(of)) for of in summary]
        table.add_row(entry["name"], entry.get("metric", ""), entry.get("split", ""), *cells)
    table.add_section()
    named = next(iter(summary.values()))["mean_is"]
    means = [f"{100 * found['mean']:.2f}" if found["mean"] is not None else "-" for found in summary.values()]
    table.add_row(named, "", "", *means)
    ranks = [f"{found['rank']:.2f}" if found["rank"] is not None else "-" for found in summary.values()]
    table.add_row("mean rank among these columns", "", "", *ranks)
    for of, value in record["summary"][mode].get("published", {}).items():
        blank = [""] * (len(summary) - 1)
        table.add_row(f"{of}, ResNet-50, nine sets (published)", "", "", f"{value:.2f}", *blank, style="dim")
    return table


def _asked(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [record["sets"][text] for text in record["asked"]]


def _score(row: dict[str, Any] | None) -> str:
    if row is None:
        return REASON
    spread = "" if row["std"] is None else f"\nover draws ±{100 * row['std']:.1f}"
    chosen = "" if row["chosen"] is None else f"\n{row['chosen']}"
    return f"{100 * row['value']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f}){spread}{chosen}"


def _accuracy(row: dict[str, Any]) -> str:
    return f"{100 * row['accuracy']:.1f}\n{100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f}"


def _gap(row: dict[str, Any]) -> str:
    return f"{row['risk_gap']:+.3f} ({row['gap_low']:+.3f} to {row['gap_high']:+.3f})"


def _table(title: str) -> Table:
    table = Table(title=title)
    table.add_column("")
    return table
