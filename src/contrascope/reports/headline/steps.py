"""What to do next, from the three answers."""

from contrascope.records.answers import DIAGNOSE
from contrascope.reports.answers import judgement
from contrascope.reports.headline.parts import Steps
from contrascope.reports.load import RunRecords

NOTHING = "Nothing is asked for: the answers name no next step."


def next_steps(run: RunRecords) -> Steps:
    """The next steps that the answers name, each once, in their order; how to diagnose where nobody has."""
    judged = judgement(run)
    told = list(dict.fromkeys(one.next for one in judged.answers if one.next))
    if not any(one.answered for one in judged.answers):
        told.insert(0, f"Ask whether it is sound and learning: {DIAGNOSE}")
    if not run.evaluation.rows:
        told.append("Where the images have classes, measure accuracy: contrascope evaluate RUN DATA")
    return Steps(title="What to do next", steps=tuple(told or [NOTHING]))
