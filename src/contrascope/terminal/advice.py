"""Advice as text for a terminal: the parts of the page."""

import json

from contrascope.advice.advise import Advice, advice_record
from contrascope.records.advice import AdviceRecord
from contrascope.records.entry import as_tree
from contrascope.records.files import finite
from contrascope.reports.advice import how_ranked, operation_table, ranking_table, survey_pairs
from contrascope.terminal.tables import shown_block, table_text

WIDTH = 110


def show_advice(advice: Advice, *, as_json: bool) -> str:
    """The survey, a word on each operation, the ranking, and how to use the best; or all numbers as JSON."""
    record = advice_record(advice)
    if as_json:
        return json.dumps(finite(as_tree(record)), indent=2) + "\n"
    lines = [f"{record.data}:", *(f"  {name}: {words}" for name, words in survey_pairs(record)), ""]
    tables = [
        table_text(shown_block(one), width=WIDTH) for one in (operation_table(record), ranking_table(record))
    ]
    return "\n".join([*lines, *tables, _closing(record)])


def _closing(advice: AdviceRecord) -> str:
    if not advice.policy:
        return f"{how_ranked(advice)}\n"
    kept = advice.policy.removesuffix(".json")
    return (
        f"{how_ranked(advice)}\nThe best policy is in {advice.policy}; train with it: "
        f"contrascope train RECIPE --policy {advice.policy}\n"
        f"Every number is in {kept}.advice/{AdviceRecord.FILE}; as a page: contrascope report {kept}.advice\n"
    )
