import io
import json
import shutil
from pathlib import Path

from contrascope.cli import main

FORMAT0 = Path(__file__).parents[1] / "runs" / "format0"


def rows(folder, capsys):
    assert main(["runs", str(folder), "--json"]) == 0
    return {Path(row["run"]).name: row for row in json.loads(capsys.readouterr().out)}


def test_runs_of_version_0_1_are_listed_with_what_their_records_say(capsys):
    found = rows(FORMAT0, capsys)
    assert list(found) == ["digits-byol", "digits-moco", "digits-simclr"]  # and not the advice beside them
    assert found["digits-moco"]["method"] == "MoCo"
    assert found["digits-moco"]["knn"] == 0.582
    assert found["digits-byol"]["knn"] is None
    assert {row["answers_from"] for row in found.values()} == {"older version", ""}  # its word is withdrawn
    assert {row[name] for row in found.values() for name in ("sound", "learning", "useful")} == {
        "not diagnosed"
    }
    assert (found["digits-simclr"]["step"], found["digits-simclr"]["epochs"]) == (10, 2)
    files = (path.stat().st_size for path in (FORMAT0 / "digits-simclr").rglob("*") if path.is_file())
    assert found["digits-simclr"]["megabytes"] == round(sum(files) / 1e6, 1)
    assert main(["runs", str(FORMAT0)]) == 0
    assert "3 runs" in capsys.readouterr().out


def test_a_run_shows_three_answers_and_whose_they_are(tmp_path, capsys):
    shutil.copytree(FORMAT0 / "digits-moco", tmp_path / "a")
    row = {"kind": "probe", "step": 9, "epoch": 1, "sound": "unsound", "learning": "learning"}
    (tmp_path / "a" / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    told = {"word": "sound", "reason": "", "evidence": [], "cause": "", "next": ""}
    useful = {**told, "word": "label more"}
    verdict = {"sound": told, "learning": {**told, "word": "barely learning"}, "useful": useful}
    (tmp_path / "b" / "diagnosis.json").write_text(json.dumps({"verdict": verdict}))
    found = rows(tmp_path, capsys)
    names = ("sound", "learning", "useful", "answers_from")
    assert [found["a"][name] for name in names] == ["unsound", "learning", "not diagnosed", "while training"]
    assert [found["b"][name] for name in names] == ["sound", "barely learning", "label more", "diagnosis"]
    assert main(["runs", str(tmp_path)]) == 0
    assert "answers from" in " ".join(capsys.readouterr().out.split())


def test_a_damaged_record_costs_its_cell_and_a_linked_folder_is_not_followed(tmp_path, capsys):
    shutil.copytree(FORMAT0 / "digits-moco", tmp_path / "a")
    (tmp_path / "a" / "evaluation.json").write_text("{torn")
    (tmp_path / "b").symlink_to(FORMAT0 / "digits-byol")
    (tmp_path / "c").mkdir()
    found = rows(tmp_path, capsys)
    assert list(found) == ["a"]
    assert found["a"]["knn"] is None
    assert found["a"]["data"] == "digits"


def test_a_folder_without_runs_is_named(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 2
    assert "there are no runs in" in capsys.readouterr().err
    assert main(["runs", str(tmp_path / "nowhere")]) == 2
    assert "contrascope runs FOLDER" in capsys.readouterr().err


def test_a_name_that_is_no_utf_8_is_listed(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (run / "settings.json").write_text('{"kind": "RunSettings", "data": {"source": "caf\\udce9"}}')
    strict = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr("sys.stdout", strict)
    assert main(["runs", str(tmp_path), "--quiet"]) == 0
    strict.flush()
    assert b"caf\\udce9" in strict.buffer.getvalue()
