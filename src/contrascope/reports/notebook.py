"""What a notebook shows of a run: the verdict, the accuracy, and what was run, from its records."""

from pathlib import Path

from contrascope.notebook import Summary, summary_html
from contrascope.records.lookup import verdict_word
from contrascope.reports.blocks import Facts, Figure, Judgement, Table
from contrascope.reports.load import RunRecords, load
from contrascope.reports.measured import accuracy, judgement
from contrascope.reports.sections import guarded
from contrascope.reports.settings_view import facts

SHOWN = ("data", "policy", "method", "encoder", "epochs", "protocol")
"""Facts that stand under the numbers."""


def run_html(path: Path, *, step: int | None = None) -> str:
    """HTML of a run's folder; a record that is missing or damaged leaves its part out."""
    return summary_html(run_summary(load(path), step=step))


def run_summary(run: RunRecords, *, step: int | None = None) -> Summary:
    """The verdict of the diagnosis or of the last probe, and the table of accuracies.

    >>> run_summary(RunRecords(path="r", name="r")).word
    'not diagnosed'
    """
    verdict, _ = guarded(judgement, run)
    scores, _ = guarded(accuracy, run)
    known, _ = guarded(facts, run)
    word, mark, sentences = "not diagnosed", verdict_word("not diagnosed").sign, ()
    if isinstance(verdict, Judgement):
        word, mark = verdict.word, verdict.mark
        sentences = (*verdict.evidence, *(text for text in (verdict.cause, verdict.next) if text))
    table = scores.table if isinstance(scores, Figure) else scores if isinstance(scores, Table) else None
    told = [
        f"{name} {value}"
        for name, value in (known.pairs if isinstance(known, Facts) else ())
        if name in SHOWN
    ]
    told += [f"weights of step {step:,}"] if step is not None else []
    return Summary(
        title=f"Run {run.name}",
        word=word,
        mark=mark,
        sentences=sentences,
        head=() if table is None else table.head,
        rows=() if table is None else table.rows,
        note="; ".join(told),
    )
