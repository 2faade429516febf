"""What stands last after training: the monitor's two answers."""

from pathlib import Path

from contrascope import records
from contrascope.records.answers import row_answers, withdrawn
from contrascope.records.forgetting import ForgettingRecord, shown_forgetting
from contrascope.records.typed import read_record


def closing_lines(run: Path) -> str:
    """What is left of the start, the last probe row's answers, said to be the monitor's, and how to get all of it."""
    return _start_lines(run) + _monitor_lines(run)


def _start_lines(run: Path) -> str:
    """The answer on forgetting where the run started from trained weights."""
    path = records.inside(run, ForgettingRecord.FILE)
    if not path.exists():
        return ""
    record = read_record(ForgettingRecord, path).record
    if record.start is None:
        return ""
    shown = shown_forgetting(record.start)
    return "".join([f"{shown.line}\n", *(f"  - {sentence}\n" for sentence in shown.sentences)])


def _monitor_lines(run: Path) -> str:
    ask = f"contrascope diagnose {run}\n"
    rows = [row for row in records.read_metrics(run / records.METRICS) if row.get("kind") == "probe"]
    judged = [row for row in rows if row_answers(row) or withdrawn(row.get("verdict"))]
    if not judged:
        return f"Not diagnosed while training; ask: {ask}"
    answers = row_answers(judged[-1])
    if not answers:
        return (
            f"Judged by an older version ({judged[-1]['verdict']}; that word is withdrawn): ask again: {ask}"
        )
    lines = [f"While training, on the monitor's images, after epoch {judged[-1].get('epoch', '?')}:\n"]
    for one in answers.values():
        lines += [f"{one.line}\n", *(f"  - {sentence}\n" for sentence in one.sentences)]
    return "".join([*lines, f"The diagnosis, and whether it is useful for your classes: {ask}"])
