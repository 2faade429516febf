import json
import sys

import pytest
from paper_cases import TABLE, HereEngine

from contrascope.cli import main
from contrascope.commands.engine import TrialArguments
from contrascope.errors import InputError
from contrascope.papers import tables


def test_without_a_name_every_table_is_listed_with_its_cost_and_state(capsys, tmp_path):
    assert main(["reproduce", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "huang-compositions" in text
    assert "not begun" in text
    assert main(["reproduce", "--out", str(tmp_path), "--json", "--scale", "gpu"]) == 0
    rows = {one["table"]: one for one in json.loads(capsys.readouterr().out)}
    assert len(rows) == 11
    assert rows["huang-compositions"]["cells"] == 40
    assert all(one["minutes"] > 0 and one["state"] == "not begun" for one in rows.values())


def test_a_table_that_is_not_there_is_shown_as_not_run_and_nothing_is_written(capsys, tmp_path):
    assert main(["reproduce", "huang-pairs", "--show", "--out", str(tmp_path / "none")]) == 0
    assert "**Not run yet.**" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["huang-pair"], "Did you mean 'huang-pairs'"),
        (["huang-pairs", "--minutes", "0"], "--minutes is 0.0; expected more than 0"),
        (["huang-pairs", "--jobs", "0", "--dry-run"], "--jobs is 0; expected 1 or more"),
        (
            ["huang-pairs", "--slurm", "partition=x", "--dry-run"],
            "is of the engine slurm; add --engine slurm",
        ),
        (["huang-pairs", "--ray", "cpus=2", "--dry-run"], "is of the engine ray; add --engine ray"),
        (["huang-pairs", "--engine", "slurm", "--slurm", "x", "--dry-run"], "expected KEY=VALUE"),
        (["huang-pairs", "--data", "nowhere"], "--data nowhere is no folder"),
        (["huang-pairs", "--only", "xyz", "--dry-run"], "no cell has xyz in its name"),
    ],
)
def test_wrong_words_end_with_code_2_and_one_sentence(words, said, capsys, tmp_path):
    assert main(["reproduce", *words, "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_is_trained_measured_and_shown_again(capsys, tmp_path, monkeypatch):
    engine = HereEngine()
    monkeypatch.setattr(TrialArguments, "engine_for", lambda parsed, out, held: engine)
    monkeypatch.setattr(tables, "find_table", lambda name: TABLE)
    words = ["reproduce", "tiny", "--dry-run", "--out", str(tmp_path), "-q"]
    assert main([*words, "--only", "cold", "--device", "cpu"]) == 0
    text = capsys.readouterr().out
    assert "the numbers mean nothing" in text
    assert "seed 0: 1 of 2" in text
    assert (tmp_path / "tiny-dry" / "page.md").read_text() == text
    assert main([*words, "--show", "--page", str(tmp_path / "x" / "page.md")]) == 0
    assert capsys.readouterr().out == text == (tmp_path / "x" / "page.md").read_text()
    assert main([*words, "--show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "table"
    assert len(engine.started) == 1


@pytest.mark.parametrize(("engine", "module"), [("slurm", "submitit"), ("ray", "ray")])
def test_without_the_extra_an_engine_says_what_to_install_and_leaves_nothing(
    engine, module, capsys, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    words = ["huang-pairs", "--dry-run", "--out", str(tmp_path / "out"), "--engine", engine]
    assert main(["reproduce", *words]) == 2
    assert "pip install 'contrascope[cluster]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, False),
        ({"engine": "ray", "ray": ("gpus=0.5",)}, True),
        ({"engine": "ray", "ray": ("cpus=2",)}, False),
        ({"engine": "slurm", "slurm": ("gpus_per_node=1",)}, True),
        ({"engine": "slurm", "slurm": ("gres=gpu:1",)}, True),
        ({"engine": "slurm", "slurm": ("partition=gpu",)}, False),
    ],
)
def test_arithmetic_is_that_of_the_machines_that_train(words, expected, tmp_path, monkeypatch):
    assert TrialArguments(**words).on_gpus is expected
    asked = []

    def heard(out, device):
        asked.append(None if device is None else device.type)
        raise InputError("heard")

    monkeypatch.setattr("contrascope.papers.reproduce.precision_of", heard)
    more = [
        part for key, value in words.items() for part in (f"--{key}", value if key == "engine" else value[0])
    ]
    assert main(["reproduce", "huang-pairs", "--dry-run", "--out", str(tmp_path / "x"), *more]) == 2
    assert asked == ["cuda" if expected else None]
