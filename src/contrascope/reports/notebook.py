"""What a notebook shows of a run: the three answers, the accuracy, and what was run, from its records."""

from pathlib import Path

from contrascope.notebook import Summary, summary_html
from contrascope.records.answers import shown_answers
from contrascope.reports.answers import judgement
from contrascope.reports.blocks import Facts, Figure, Judgement, Table
from contrascope.reports.load import RunRecords, load
from contrascope.reports.measured import accuracy
from contrascope.reports.sections import guarded
from contrascope.reports.settings_view import facts

SHOWN = ("data", "policy", "method", "encoder", "epochs", "protocol")
"""Facts that stand under the numbers."""


def run_html(path: Path, *, step: int | None = None) -> str:
    """HTML of a run's folder; a record that is missing or damaged leaves its part out."""
    return summary_html(run_summary(load(path), step=step))


def run_summary(run: RunRecords, *, step: int | None = None) -> Summary:
    """The answers of the diagnosis or of the last probe, and the table of accuracies.

    >>> run_summary(RunRecords(path="r", name="r")).answers[0]
    ('Is it sound? – not diagnosed', ())
    """
    judged, _ = guarded(judgement, run)
    scores, _ = guarded(accuracy, run)
    known, _ = guarded(facts, run)
    answers = judged.answers if isinstance(judged, Judgement) else shown_answers(None)
    remark = judged.remark if isinstance(judged, Judgement) else ""
    table = scores.table if isinstance(scores, Figure) else scores if isinstance(scores, Table) else None
    told = [
        f"{name} {value}"
        for name, value in (known.pairs if isinstance(known, Facts) else ())
        if name in SHOWN
    ]
    told += [f"weights of step {step:,}"] if step is not None else []
    return Summary(
        title=f"Run {run.name}",
        answers=(*((one.line, one.sentences) for one in answers), *(((remark, ()),) if remark else ())),
        head=() if table is None else table.head,
        rows=() if table is None else table.rows,
        note="; ".join(told),
    )
