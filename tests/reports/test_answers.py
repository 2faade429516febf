"""The three answers on page, comparison, notebook and card: whose they are, and what became of the one word."""

import json
import shutil
from pathlib import Path

import pytest
from report_records import answer, diagnosis, metrics, old_verdict, verdict

from contrascope.records.answers import ShownAnswer, row_answers, shown_answers
from contrascope.records.vocabulary import ANSWERS, QUESTIONS
from contrascope.reports.answers import judgement
from contrascope.reports.comparison.runs import compare
from contrascope.reports.curves import alarms
from contrascope.reports.load import load
from contrascope.reports.notebook import run_summary
from contrascope.reports.page import render

FORMAT0 = Path(__file__).parents[1] / "runs" / "format0"


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr("contrascope.reports.page._plotly", lambda: "/* plotly */")


def said(found):
    return [one.said for one in found.answers]


def old_rows(epoch):
    return {"verdict": "not learning" if epoch == 1 else "healthy"}


def test_the_diagnosis_answers_all_three_with_evidence_cause_and_next(make_run):
    bad = answer("unsound", "dimensional collapse", ["1.2 of 32 directions."], "No spread term.", "Add one.")
    useful = answer("not useful", evidence=["40 labels: no better than chance."])
    found = judgement(load(make_run(diagnosis=diagnosis(sound=bad, useful=useful))))
    assert said(found) == ["✗ unsound: dimensional collapse", "✓ learning", "✗ not useful"]
    assert [one.question for one in found.answers] == list(QUESTIONS.values())
    assert found.answers[0].sentences == (
        "1.2 of 32 directions.",
        "Likely cause: No spread term.",
        "Next: Add one.",
    )
    assert [one.about for one in found.answers[:2]] == ["Measured without labels on digits."] * 2
    assert "labels" in found.answers[2].about
    assert (found.origin, found.remark) == ("diagnosis", "")


def test_what_was_not_asked_was_not_measured(make_run):
    found = judgement(load(make_run()))
    assert found.answers[2].word == "cannot be told without labels"
    assert found.answers[2].about == ""


def test_the_monitor_s_answers_are_never_those_of_a_diagnosis(make_run):
    run = load(make_run(diagnosis=None))
    found = judgement(run)
    assert said(found) == ["✓ sound", "✓ learning", "– not diagnosed"]
    assert found.origin == "while training"
    assert found.remark == (
        "These are the monitor's answers while training, after 4 epochs, on the probe's images. "
        "A diagnosis: contrascope diagnose RUN"
    )
    assert found.answers[1].evidence == ("80 % of the images are found.",)
    assert found.answers[0].evidence == ()
    assert found.answers[1].about.endswith("while training, after 4 epochs (step 8).")


def test_a_diagnosis_goes_before_a_monitor_that_says_something_else(make_run):
    rows = metrics(
        judged=lambda e: {"sound": "unsound", "learning": "not learning", "reason": "cluster collapse"}
    )
    run = load(make_run(metrics=rows))
    assert said(judgement(run))[:2] == ["✓ sound", "✓ learning"]
    assert judgement(run).origin == "diagnosis"


def test_the_one_word_of_an_older_diagnosis_is_named_and_withdrawn(make_run):
    told = {**diagnosis(), "verdict": old_verdict()}
    run = load(make_run(diagnosis=told, metrics=metrics(judged=old_rows)))
    found = judgement(run)
    assert said(found) == ["– not diagnosed"] * 3
    assert found.remark == (
        'An older version said "healthy"; that word is withdrawn. Ask again: contrascope diagnose RUN'
    )
    assert not any(one.evidence or one.next for one in found.answers)
    text = render([Path(run.path)])
    assert "that word is withdrawn" in text
    assert "✓" not in text.split('<div class="answers">')[1].split('class="card number')[0]


def test_an_older_word_while_training_is_withdrawn_too(make_run):
    found = judgement(load(make_run(diagnosis=None, metrics=metrics(judged=old_rows))))
    assert said(found) == ["– not diagnosed"] * 3
    assert found.remark.startswith('While training an older version said "healthy"; that word is withdrawn.')
    assert found.origin == "older version"


def test_a_run_that_a_newer_version_went_on_with_has_the_monitor_s_answers_beside_the_old_word(make_run):
    rows = [*metrics(judged=old_rows), *metrics()[-1:]]
    found = judgement(
        load(make_run(diagnosis={**diagnosis(), "verdict": old_verdict("undecided")}, metrics=rows))
    )
    assert said(found)[:2] == ["✓ sound", "✓ learning"]
    assert found.origin == "while training"
    assert 'Of its diagnosis an older version said "undecided"' in found.remark


def test_the_kept_runs_of_version_0_1_say_that_their_word_is_withdrawn():
    words = {
        name: judgement(load(FORMAT0 / name)).remark
        for name in ("digits-byol", "digits-simclr", "digits-moco")
    }
    assert 'While training an older version said "dimensional collapse"' in words["digits-byol"]
    assert 'An older version said "healthy"' in words["digits-simclr"]
    assert words["digits-moco"].startswith("Nobody has asked")


@pytest.mark.parametrize(
    "told",
    [
        "healthy",
        {"word": 3},
        {},
        {"sound": "sound"},
        {"sound": {"word": 3}, "learning": [], "useful": None},
        {"sound": {"word": "", "evidence": ["x"]}},
    ],
)
def test_a_damaged_verdict_is_no_answer(make_run, told):
    found = judgement(load(make_run(diagnosis={**diagnosis(), "verdict": told}, metrics=metrics(probes=0))))
    assert said(found) == ["– not diagnosed"] * 3
    assert found.origin == ""


def test_a_damaged_answer_costs_itself_and_not_its_neighbours(make_run):
    told = {**verdict(), "sound": 3, "learning": {"word": "learning", "evidence": [3, "kept"]}}
    found = judgement(load(make_run(diagnosis={**diagnosis(), "verdict": told})))
    assert said(found) == ["– not diagnosed", "✓ learning", "? cannot be told without labels"]
    assert found.answers[1].evidence == ("kept",)


@pytest.mark.parametrize("row", [{}, {"sound": 3}, {"sound": "", "learning": None}, {"evidence": "x"}])
def test_a_row_without_words_has_no_answers(row):
    assert row_answers(row) == {}


@pytest.mark.parametrize(("word", "of"), [("unsound", 0), ("sound", 1), ("cannot be told", 1)])
def test_evidence_stands_below_the_answer_that_it_decided(word, of):
    row = {"sound": word, "learning": "not learning", "reason": "r", "evidence": "e"}
    found = list(row_answers(row).values())
    assert [bool(one.evidence) for one in found] == [of == 0, of == 1]
    assert [one.reason for one in found] == ["r" if i == of else "" for i in range(2)]


def test_every_word_has_a_sign_and_a_strange_one_is_a_bad_one():
    assert all(ShownAnswer(question="?", word=one.word).mark for one in ANSWERS)
    assert ShownAnswer(question="?", word="mended").tone == "bad"
    assert [one.word for one in shown_answers(None)] == ["not diagnosed"] * 3


def test_the_page_shows_three_cards_with_words_and_not_only_colours(make_run):
    bad = answer("unsound", "cluster collapse", ["8 points."], "No negatives.", "Look at the views.")
    text = render([make_run(diagnosis=diagnosis(sound=bad))])
    part = " ".join(text.split('<div class="answers">')[1].split("<h2")[0].split())
    assert part.count('<div class="card answer ') == 3
    order = ["Is it sound?", "</span> unsound", "cluster collapse", "Likely cause:", "8 points."]
    order += [
        "Is it learning?",
        "</span> learning",
        "A view finds its image.",
        "Is it useful for your classes?",
        "What to do next",
        "Look at the views.",
    ]
    places = [part.index(words) for words in order]
    assert places == sorted(places)


def test_a_comparison_says_whose_answers_it_shows(make_run):
    runs = [
        load(make_run("diagnosed")),
        load(make_run("trained", diagnosis=None)),
        load(
            make_run(
                "older", diagnosis={**diagnosis(), "verdict": old_verdict()}, metrics=metrics(judged=old_rows)
            )
        ),
        load(make_run("nothing", diagnosis=None, metrics=metrics(probes=0))),
    ]
    table = compare(runs)[0].blocks[0]
    assert table.head[:5] == ("run", "kNN (%)", "sound?", "learning?", "answers from")
    assert [(row[0], *row[2:5]) for row in table.rows] == [
        ("diagnosed", "✓ sound", "✓ learning", "diagnosis"),
        ("trained", "✓ sound", "✓ learning", "while training"),
        ("older", "– not diagnosed", "– not diagnosed", "older version"),
        ("nothing", "– not diagnosed", "– not diagnosed", "–"),
    ]
    assert all(len(row) == len(table.head) for row in table.rows)


def test_a_comparison_has_a_column_on_usefulness_where_one_run_was_asked(make_run):
    asked = diagnosis(useful=answer("useful"))
    table = compare([load(make_run("a", diagnosis=asked)), load(make_run("b"))])[0].blocks[0]
    assert table.head[4] == "useful?"
    assert [row[4] for row in table.rows] == ["✓ useful", "? cannot be told without labels"]


def test_the_answers_while_training_are_the_monitor_s_and_old_words_have_their_own_column(make_run):
    table = alarms(load(make_run()))
    assert table.head[2:4] == ("sound?", "learning?")
    assert [row[3] for row in table.rows] == ["✗ not learning", "✓ learning", "✓ learning", "✓ learning"]
    assert "0 of 4 were not sound" in table.read
    mixed = alarms(load(make_run("mixed", metrics=[*metrics(judged=old_rows), *metrics()[-1:]])))
    assert mixed.head[-1] == "older version's word, withdrawn"
    assert [row[-1] for row in mixed.rows] == ["not learning", "healthy", "healthy", "healthy", "–"]
    assert [row[2] for row in mixed.rows] == ["–", "–", "–", "–", "✓ sound"]
    assert "0 of 1 were not sound" in mixed.read


def test_a_notebook_shows_three_lines_with_their_sentences_and_whose_they_are(make_run):
    lines = dict(run_summary(load(make_run())).answers)
    assert list(lines)[:2] == ["Is it sound? ✓ sound", "Is it learning? ✓ learning"]
    assert lines["Is it learning? ✓ learning"] == ("A view finds its image.", "Next: Evaluate.")
    trained = [line for line, _ in run_summary(load(make_run("b", diagnosis=None))).answers]
    assert trained[-1].startswith("These are the monitor's answers while training")


def test_records_of_version_0_1_make_a_whole_page(tmp_path):
    shutil.copytree(FORMAT0 / "digits-simclr", tmp_path / "run")
    text = render([tmp_path / "run"])
    assert "that word is withdrawn" in text
    assert json.dumps("unexpected form") not in text
