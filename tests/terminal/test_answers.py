"""The three answers in a terminal, and the last lines after training."""

import json
from io import StringIO

import pytest
from rich.console import Console

from contrascope.diagnosis.verdict import Answer, Verdict
from contrascope.terminal.answers import print_answers
from contrascope.terminal.closing import closing_lines
from contrascope.terminal.tables import show_table

SOUND = Answer(
    word="unsound",
    reason="dimensional collapse",
    evidence=("1.2 of 32 directions carry the variance.", "The reference has 9.0."),
    cause="No spread term.",
    next="Add one.",
)
VERDICT = Verdict(
    sound=SOUND,
    learning=Answer(word="barely learning", evidence=("Odds 1.1 times those of random weights.",)),
    useful=Answer(word="cannot be told without labels", next="Label a few images."),
)


def printed(**options):
    file = StringIO()
    print_answers(Console(file=file, width=110, **options), VERDICT)
    return file.getvalue()


def test_a_line_a_question_with_its_evidence_cause_and_next_below():
    assert printed().splitlines() == [
        "Is it sound? ✗ unsound: dimensional collapse",
        "  - 1.2 of 32 directions carry the variance.",
        "  - The reference has 9.0.",
        "  Likely cause: No spread term.",
        "  Next: Add one.",
        "Is it learning? ? barely learning",
        "  - Odds 1.1 times those of random weights.",
        "Is it useful for your classes? ? cannot be told without labels",
        "  Next: Label a few images.",
    ]


def test_the_word_has_its_colour_and_the_reason_has_none():
    text = printed(force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[1;31m✗ unsound\x1b[0m: dimensional collapse" in text
    assert "\x1b[1;33m? barely learning\x1b[0m" in text


def closing(folder, *rows):
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return closing_lines(folder).splitlines()


def probe(**more):
    return {"kind": "probe", "step": 9, "epoch": 3, **more}


def test_training_ends_with_the_monitor_s_two_answers_and_how_to_get_the_whole(tmp_path):
    first = probe(sound="unsound", learning="cannot be told", reason="NaN")
    last = probe(
        sound="sound", learning="not learning", reason="as random weights", evidence="3 % against 3 %."
    )
    assert closing(tmp_path, first, last, {"kind": "step", "step": 9}, probe(geometry_loss=1.0)) == [
        "While training, on the monitor's images, after epoch 3:",
        "Is it sound? ✓ sound",
        "Is it learning? ✗ not learning: as random weights",
        "  - 3 % against 3 %.",
        f"The diagnosis, and whether it is useful for your classes: contrascope diagnose {tmp_path}",
    ]


def test_a_row_of_an_older_version_is_no_answer(tmp_path):
    assert closing(tmp_path, probe(verdict="healthy", h_retrieval=0.378)) == [
        "Judged by an older version (healthy; that word is withdrawn): ask again: "
        f"contrascope diagnose {tmp_path}"
    ]


@pytest.mark.parametrize(
    "row", [{"kind": "step", "step": 1}, probe(verdict=3), probe(sound=None, learning=[])]
)
def test_a_run_without_a_monitor_says_how_to_ask(tmp_path, row):
    assert closing(tmp_path, row) == [f"Not diagnosed while training; ask: contrascope diagnose {tmp_path}"]


def test_a_table_of_scores_ends_with_what_was_gained_and_what_was_lost():
    rows = [
        {"of": of, "name": "knn", "value": value, "low": value - 0.01, "high": value + 0.01, "n": 500}
        | {"split": "test", "protocol": "abc", "not_defined": "", "note": ""}
        for of, value in (("trained encoder", 0.8), ("random encoder", 0.7), ("raw pixels", 0.9))
    ]
    lines = show_table(rows).splitlines()
    assert lines[-3] == "Gained by training: kNN: 10.0 points above the random encoder."
    assert lines[-2] == "LOST by training: kNN: 10.0 points BELOW raw pixels."
    assert lines[-1].startswith("The intervals are over test images")
