"""Tables of both suites' records, for the page and for a terminal: robustness with its gaps, transfer set by set."""

from collections.abc import Sequence
from typing import Any

from contrascope.records.lookup import probe_title
from contrascope.records.suites import (
    AugmentedRecord,
    ModeEntry,
    MoveEntry,
    SetEntry,
    TransferEntry,
    TransferRecord,
)
from contrascope.reports.blocks import Table, percent, short
from contrascope.reports.gains import TRAINED
from contrascope.reports.load import RunRecords

ORIGINAL = "original"
"""The copy that nothing was done to."""
REASON = "not available"
READ_COPIES = (
    "Accuracy of a probe that is learnt and tested on each copy. A robust representation loses little from the "
    "original to its copies; L_AR over the copies of unit rows, 0 to 4, says how far an image moves. Published rows "
    "are of other encoders and probes (the authors' slides state neither): read their order, not their level."
)
READ_GAPS = (
    "Risk is cross-entropy in nats; the gap is a copy's risk over the original's, with its interval over test images, "
    "and |gap| cannot exceed the bound. Own probe: learnt anew on the copy. Original's probe: that of the original's."
)


def robustness(run: RunRecords) -> list[Table]:
    """The robustness suite's tables; none where it was not run."""
    return augmented_tables(run.augmented) if run.augmented.rows else []


def transfer(run: RunRecords) -> list[Table]:
    """The transfer suite's tables; none where it was not run."""
    return transfer_tables(run.transfer) if run.transfer.sets else []


def suites_line(run: RunRecords) -> str:
    """Accuracy on the original and on the copy that costs most, and how many sets were transferred to, for the fold."""
    mine = {row.copy: row for row in run.augmented.rows if row.of == TRAINED and row.probe == "own"}
    known = {
        copy: row.accuracy for copy, row in mine.items() if row.severity is None and row.accuracy is not None
    }
    said = []
    if ORIGINAL in known and len(known) > 1:
        worst = min((copy for copy in known if copy != ORIGINAL), key=lambda copy: known[copy])
        said.append(
            f"Accuracy {100 * known[ORIGINAL]:.1f} % on the originals, {100 * known[worst]:.1f} % on the copy that "
            f"costs most ({worst.replace('_', ' ')})"
        )
    sets = [one for one in run.transfer.sets.values() if one.rows]
    said += [f"transfer to {len(sets)} of {len(run.transfer.sets)} sets"] if run.transfer.sets else []
    return "; ".join(said) + "." if said else ""


def augmented_tables(record: AugmentedRecord) -> list[Table]:
    """Accuracy on every copy, gaps with their bounds, and corruptions where there are any."""
    return [_copies(record), _gaps(record), *_corruptions(record)]


def _copies(record: AugmentedRecord) -> Table:
    own = {(row.of, row.copy): row for row in record.rows if row.probe == "own"}
    copies = list(dict.fromkeys(row.copy for row in record.rows if row.severity is None))
    copies.sort(key=lambda copy: copy == ORIGINAL)
    moved = {row.of: row.l_ar_unit for row in record.robustness}
    rows = [
        (of, *(_accuracy(own.get((of, copy))) for copy in copies), short(moved.get(of), 3))
        for of in _names(record)
    ]
    rows += [
        (
            f"{row.of}, {row.data}, batch {short(row.batch)} (published)",
            *(short(row.accuracy.get(copy), 4) for copy in copies),
            "",
        )
        for row in record.published
    ]
    first = record.rows[0]
    return Table(
        title="Robustness: accuracy in % on six fixed copies",
        head=("representation", *(copy.replace("_", " ") for copy in copies), "L_AR, unit h"),
        rows=rows,
        read=READ_COPIES,
        note=f"{short(first.n)} {record.split} images, probes learnt on {short(record.train_images)}, protocol "
        f"{record.protocol}{_after(record.note)}",
    )


def _gaps(record: AugmentedRecord) -> Table:
    rows = {(row.of, row.copy, row.probe): row for row in record.rows if row.severity is None}
    pairs = dict.fromkeys((of, copy) for of, copy, _ in rows if copy != ORIGINAL)
    return Table(
        title="Robustness: risk gap of each copy and its bound",
        head=(
            "representation",
            "copy",
            "gap, own probe",
            "bound",
            "gap, original's probe",
            "bound",
            "L_AR of the pair",
        ),
        rows=[_gap_row(of, copy, rows) for of, copy in pairs],
        read=READ_GAPS,
    )


def _gap_row(of: str, copy: str, rows: dict[tuple[str, str, str], MoveEntry]) -> tuple[str, ...]:
    cells: list[str] = []
    for probe in ("own", ORIGINAL):
        row = rows.get((of, copy, probe))
        cells += ["–", "–"] if row is None else [_gap(row), short(row.bound, 3)]
    moved = rows.get((of, copy, ORIGINAL))
    return of, copy.replace("_", " "), *cells, "–" if moved is None else short(moved.l_ar_unit, 3)


def _corruptions(record: AugmentedRecord) -> list[Table]:
    rows = [row for row in record.rows if row.severity is not None]
    if not rows:
        return []
    severities = sorted({row.severity for row in rows if row.severity is not None})
    cell = {(row.of, row.copy, row.severity): row for row in rows}
    lines = []
    for of, name in dict.fromkeys((row.of, row.copy) for row in rows):
        mine = [found for severity in severities if (found := cell.get((of, name, severity)))]
        worst = max(mine, key=lambda row: abs(row.risk_gap or 0.0))
        cells = [_accuracy(cell.get((of, name, severity))) for severity in severities]
        gap = "–" if worst.risk_gap is None else short(abs(worst.risk_gap), 3)
        lines.append((of, name, *cells, f"{gap} / {short(worst.bound, 3)}"))
    table = Table(
        title="Robustness: accuracy in % on corrupted images",
        head=(
            "representation",
            "corruption",
            *(f"severity {severity}" for severity in severities),
            "largest |gap| / bound",
        ),
        rows=lines,
        read="Of the probe that was learnt on the original images. Severity 1 is the mildest.",
    )
    return [table]


def transfer_tables(record: TransferRecord) -> list[Table]:
    """One table a mode: sets in rows, representations in columns, means and ranks below; then what is missing."""
    tables = [
        table
        for mode, found in record.summary.items()
        for table in (_mode(record, mode, found), *_published(mode, found))
    ]
    missing = [
        (entry.name, "the set" if what == "set" else what, reason)
        for entry in _asked(record)
        for what, reason in entry.not_available.items()
    ]
    if missing:
        tables.append(Table(title=f"Transfer: {REASON}", head=("set", "what", "reason"), rows=missing))
    return tables


def _mode(record: TransferRecord, mode: str, found: ModeEntry) -> Table:
    names = list(found.networks)
    rows: list[tuple[str, ...]] = []
    for entry in _asked(record):
        scores = {row.of: row for row in entry.rows if row.mode == mode}
        rows.append((entry.name, entry.metric, entry.split, *(_score(scores.get(of)) for of in names)))
    means = [entry.mean for entry in found.networks.values()]
    of_what = next((entry.mean_is for entry in found.networks.values()), "mean")
    rows.append((of_what, "", "", *("–" if mean is None else f"{100 * mean:.2f}" for mean in means)))
    ranks = (short(entry.rank, 3) for entry in found.networks.values())
    rows.append(("mean rank among these columns", "", "", *ranks))
    rows += [
        (f"{of}, ResNet-50, nine sets (published)", "", "", short(value), *[""] * (len(names) - 1))
        for of, value in found.published.items()
    ]
    return Table(
        title=f"Transfer: {probe_title(mode).replace('_', ' ')}, score in %",
        head=("set", "metric", "tested on", *names),
        rows=rows,
        read="What training bought on images it has not seen is the distance to the random encoder. In brackets: 95 % "
        "intervals over test images.",
        note=f"protocol {record.protocol}{''.join(_after(one.note, one.name) for one in _asked(record))}",
    )


def _published(mode: str, found: ModeEntry) -> list[Table]:
    """What others had on the sets asked for, a method a row; none where nothing is published of them."""
    names = list(dict.fromkeys(name for values in found.published_sets.values() for name in values))
    rows = [
        (
            f"{of} (published)",
            *(short(values.get(name), 4) for name in names),
            short(found.published.get(of), 4),
        )
        for of, values in found.published_sets.items()
    ]
    table = Table(
        title=f"Transfer: {probe_title(mode).replace('_', ' ')}, published scores in %",
        head=("method", *names, "mean of all nine sets"),
        rows=rows,
        read="ResNet-50, trained on ImageNet at 224 pixels (Zhao et al. 2023). Another network, other images: compare "
        "the order of methods, not the level.",
    )
    return [table] if rows else []


def _after(note: str, name: str = "") -> str:
    """A remark on labels behind what a table says already."""
    return f"; {name}{': ' if name else ''}{note}" if note else ""


def _asked(record: TransferRecord) -> Sequence[SetEntry]:
    asked = record.asked or tuple(record.sets)
    return [record.sets[text] for text in asked if text in record.sets]


def _names(record: AugmentedRecord) -> list[str]:
    return list(dict.fromkeys(row.of for row in record.rows))


def _score(row: TransferEntry | None) -> str:
    if row is None:
        return REASON
    spread = "" if row.std is None else f", over draws ±{100 * row.std:.1f}"
    return f"{_range(row.value, row.low, row.high)}{spread}{'' if row.chosen is None else f', {row.chosen}'}"


def _accuracy(row: MoveEntry | None) -> str:
    return "–" if row is None else _range(row.accuracy, row.accuracy_low, row.accuracy_high)


def _range(value: Any, low: Any, high: Any) -> str:
    return "–" if None in (value, low, high) else percent((value, low, high))


def _gap(row: MoveEntry) -> str:
    if row.risk_gap is None or row.gap_low is None or row.gap_high is None:
        return "–"
    return f"{row.risk_gap:+.3f} [{row.gap_low:+.3f}, {row.gap_high:+.3f}]"
