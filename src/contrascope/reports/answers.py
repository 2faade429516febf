"""The three answers on a page: of the diagnosis, or else of the monitor, which says so."""

from dataclasses import replace
from typing import Any

from contrascope.records.answers import (
    DIAGNOSE,
    NOT_DIAGNOSED,
    ShownAnswer,
    row_answers,
    shown_answers,
    withdrawn,
)
from contrascope.records.lookup import value_at
from contrascope.records.metrics import MetricsRow
from contrascope.records.vocabulary import QUESTIONS
from contrascope.reports.blocks import SHORTCUT, Judgement, short
from contrascope.reports.load import RunRecords

OF_DIAGNOSIS, OF_MONITOR, OLDER = "diagnosis", "while training", "older version"
"""Where answers come from."""
LABELS_NEEDED = f"That takes a few labels: {DIAGNOSE} says how."


def judgement(run: RunRecords) -> Judgement:
    """The answers of the diagnosis, or of the last probe; "not diagnosed" where there is neither.

    The one word of an older version answers none of the three questions; it is named and withdrawn.
    """
    verdict = run.diagnosis.verdict
    answers = shown_answers(verdict)
    if any(one.word != NOT_DIAGNOSED for one in answers):
        found = run.diagnosis.shortcut
        told = _judgement(answers, OF_DIAGNOSIS, run.diagnosis.data)
        return told if found is None or not found.rows else replace(told, pictures=SHORTCUT)
    old = withdrawn(value_at(verdict, "word"))
    probed = [row for row in run.probes if row_answers(row.values) or withdrawn(row.values.get("verdict"))]
    last = probed[-1] if probed else None
    if last is not None and row_answers(last.values):
        return _of_monitor(last, old)
    if old or last is not None:
        said = old or f"while training {withdrawn(last.values.get('verdict') if last else None)}"
        return _judgement(shown_answers(None), OLDER, "", f"{_capital(said)}. Ask again: {DIAGNOSE}")
    return _judgement(shown_answers(None), "", "", f"Nobody has asked: {DIAGNOSE}")


def _of_monitor(row: MetricsRow, old: str) -> Judgement:
    found = row_answers(row.values)
    answers = [found.get(name, answer) for name, answer in zip(QUESTIONS, shown_answers(None), strict=True)]
    answers[-1] = replace(answers[-1], next=LABELS_NEEDED)
    about = f"the probe's images while training, after {short(row.epoch)} epochs (step {row.step})"
    remark = (
        f"These are the monitor's answers while training, after {short(row.epoch)} epochs, on the probe's images. "
        f"A diagnosis: {DIAGNOSE}"
    )
    if old:
        remark = f"Of its diagnosis {old}. {remark}"
    return _judgement(tuple(answers), OF_MONITOR, about, remark)


def _judgement(answers: tuple[ShownAnswer, ...], origin: str, about: str, remark: str = "") -> Judgement:
    told = tuple(replace(one, about=_measured(one, about)) for one in answers)
    return Judgement(answers=told, origin=origin, about=about, remark=remark)


def _measured(answer: ShownAnswer, about: str) -> str:
    if not about or not answer.answered:
        return ""
    if answer.question == QUESTIONS["useful"]:
        return "Measured with the labels that its evidence names."
    return f"Measured without labels on {about}."


def _capital(text: Any) -> str:
    return f"{text[0].upper()}{text[1:]}"
