"""The records of the suites as tables for a terminal: the tables of the page."""

import json

from contrascope.records.entry import as_tree
from contrascope.records.suites import AugmentedRecord, TransferRecord
from contrascope.reports.suites import augmented_tables, transfer_tables
from contrascope.terminal.tables import shown_block, table_text

WIDTH = 130


def show_suite(record: AugmentedRecord | TransferRecord, *, as_json: bool) -> str:
    """A suite's record as JSON, or as its tables."""
    if as_json:
        return json.dumps(as_tree(record), indent=2) + "\n"
    found = augmented_tables(record) if isinstance(record, AugmentedRecord) else transfer_tables(record)
    notes = dict.fromkeys(text for one in found for text in (one.read, one.note) if text)
    return "".join(table_text(shown_block(one), width=WIDTH) for one in found) + "".join(
        f"{text}\n" for text in notes
    )
