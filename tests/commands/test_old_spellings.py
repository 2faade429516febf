"""Command lines of version 0.1: they say how they are spelt now, and do the same."""

import json
import shutil

import pytest

from contrascope.cli import main
from contrascope.commands.old_spellings import renewed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "diagnose RUN --geometry --of-geometry.images 64 --of_geometry.draws=0 --json",
            "geometry RUN --images 64 --draws=0 --json",
        ),
        (
            "evaluate RUN DATA --suite augmented --augmented.no-references --protocol.k 5",
            "robustness RUN DATA --no-references --protocol.k 5",
        ),
        (
            "evaluate --suite=transfer RUN --sets a b --transfer.finetune.steps 5 --data.size 8 --out x",
            "transfer RUN --sets a b --finetune.steps 5 --data.size 8 --out x",
        ),
    ],
)
def test_an_old_spelling_becomes_the_new_one_with_a_note(old, new, capsys):
    assert renewed(old.split()) == new.split()
    said = capsys.readouterr().err
    assert f"is now: contrascope {new}; the old spelling works until version 0.3." in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", ["diagnose RUN --json", "evaluate RUN DATA", "train x --geometry.times 3"])
def test_other_words_stay_as_they_are_without_a_note(words, capsys):
    assert renewed(words.split()) == words.split()
    assert capsys.readouterr().err == ""


def test_quiet_leaves_the_note_out(capsys):
    renewed(["diagnose", "RUN", "--geometry", "-q"])
    assert capsys.readouterr().err == ""


def test_an_old_command_line_writes_the_same_record(whole, tmp_path, capsys):
    records = []
    for words in (
        ["diagnose", "--geometry", "--of-geometry.images", "48", "--of-geometry.draws", "0"],
        ["geometry", "--images", "48", "--draws", "0"],
    ):
        assert main([*words, str(whole), "--out", str(tmp_path / "geometry.json")]) == 0
        records.append(json.loads((tmp_path / "geometry.json").read_text()))
    assert records[0] == records[1]
    assert "'diagnose --geometry' is now: contrascope geometry" in capsys.readouterr().err


def test_an_old_suite_goes_on_with_the_record_of_the_new_one(suite_run, tmp_path, capsys):
    few = ["--protocol.bootstrap", "9", "--protocol.probe-grid", "0.1", "--json", "--out", str(tmp_path)]
    own = [*few, "--no-references", "--severities", "3", "--corruptions", "blur"]
    assert main(["robustness", str(suite_run), *own]) == 0
    new = json.loads(capsys.readouterr().out)
    old = [f"--augmented.{word[2:]}" if word in own[-5:] and word[:2] == "--" else word for word in own]
    assert main(["evaluate", str(suite_run), "--suite", "augmented", *old]) == 0
    said, err = capsys.readouterr()
    assert json.loads(said) == new
    assert "corruption blur" not in err
    shutil.rmtree(tmp_path)
