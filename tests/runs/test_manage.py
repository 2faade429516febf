import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from contrascope import records
from contrascope.cli import main
from contrascope.errors import InputError
from contrascope.records.inside import files_in
from contrascope.runs import manage
from contrascope.runs.load import load_run
from contrascope.runs.manage import delete_run, disk_use, move_run

OLD = Path(__file__).parent / "format0"


@pytest.fixture
def run(tmp_path):
    return Path(shutil.copytree(OLD / "digits-moco", tmp_path / "runs" / "mine"))


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path, _ in files_in(folder) if path.suffix != ".lock"
    }


def test_disk_use_tells_the_checkpoints_apart_and_follows_no_link(run, tmp_path):
    before = disk_use(run)
    assert before.total == sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    inner = run / "checkpoints"
    assert before.checkpoints == sum(path.stat().st_size for path in inner.rglob("*") if path.is_file())
    assert 0 < before.checkpoints < before.total
    (tmp_path / "large").write_bytes(b"x" * 10_000)
    (run / "link").symlink_to(tmp_path / "large")
    (run / "checkpoints" / "more").symlink_to(tmp_path)
    assert disk_use(run) == before


@pytest.mark.parametrize("to", ["kept", "kept/other", "new/deep/name"])
def test_a_moved_run_is_the_same_run(run, tmp_path, to):
    (tmp_path / "kept").mkdir()
    before = content(run)
    place = move_run(run, tmp_path / to)
    assert place == (tmp_path / "kept" / "mine" if to == "kept" else tmp_path / to)
    assert not run.exists()
    assert content(place) == before
    assert load_run(place).step == 10


def test_a_run_is_moved_to_another_disk_whole_or_not_at_all(run, tmp_path, monkeypatch):
    (run / "note").symlink_to("nowhere")
    before, real = content(run), os.rename

    def across(one, other):
        if Path(one).parent != Path(other).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(one, other)

    monkeypatch.setattr(manage.os, "rename", across)
    with monkeypatch.context() as patch:
        patch.setattr(manage.shutil, "copytree", _full)
        with pytest.raises(OSError, match="No space left"):
            move_run(run, tmp_path / "kept")
    assert content(run) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    assert content(move_run(run, tmp_path / "kept")) == before
    assert os.readlink(tmp_path / "kept" / "note") == "nowhere"
    assert (
        sorted(path.name for path in tmp_path.rglob("*") if path.name[0] == "." or path.name == "mine") == []
    )


def _full(one, other, **_):
    Path(other).mkdir()
    (Path(other) / "half").write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_deleted_run_is_gone_and_what_its_links_lead_to_stays(run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.tex").write_text("years of work")
    (run / "link").symlink_to(outside / "thesis.tex")
    (run / "folder").symlink_to(outside)
    (run / "run.lock").unlink(missing_ok=True)
    (run / "run.lock").symlink_to(outside / "thesis.tex")
    use = delete_run(run)
    assert use.total > 0
    assert list((tmp_path / "runs").iterdir()) == []
    assert (outside / "thesis.tex").read_text() == "years of work"


def nothing_of_ours(tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    (place / "a.png").write_bytes(b"x")
    return place


def settings_of_an_editor(tmp_path):
    place = nothing_of_ours(tmp_path)
    (place / "settings.json").write_text('{"editor.fontSize": 12}')
    return place


def damaged_settings(tmp_path):
    place = nothing_of_ours(tmp_path)
    (place / "settings.json").write_text("{torn")
    return place


def linked_settings(tmp_path):
    place = nothing_of_ours(tmp_path)
    (place / "settings.json").symlink_to(OLD / "digits-moco" / "settings.json")
    return place


def link_to_a_run(tmp_path):
    real = shutil.copytree(OLD / "digits-moco", tmp_path / "real")
    (tmp_path / "photos").symlink_to(real)
    return tmp_path / "photos"


def folder_of_runs(tmp_path):
    shutil.copytree(OLD / "digits-moco", tmp_path / "photos" / "run")
    return tmp_path / "photos"


def a_file(tmp_path):
    (tmp_path / "photos").write_text("x")
    return tmp_path / "photos"


OTHERS = (
    *(
        nothing_of_ours,
        settings_of_an_editor,
        damaged_settings,
        linked_settings,
        link_to_a_run,
        folder_of_runs,
    ),
    a_file,
)


@pytest.mark.parametrize("make", OTHERS)
@pytest.mark.parametrize("words", [["delete"], ["move"]])
def test_what_is_no_run_is_neither_deleted_nor_moved(tmp_path, make, words, capsys):
    place = make(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*"))
    to = [str(tmp_path / "to")] if words == ["move"] else ["--yes"]
    assert main(["runs", *words, str(place), *to]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("lock", ["run.lock", "evaluation-augmented.lock", "evaluation-transfer.lock"])
def test_a_run_in_use_is_neither_deleted_nor_moved(run, tmp_path, lock, capsys):
    with records.hold(run, lock=lock):
        assert main(["runs", "delete", str(run), "--yes"]) == 2
        assert f"is held by process {os.getpid()}" in capsys.readouterr().err
        assert main(["runs", "move", str(run), str(tmp_path / "to")]) == 2
    assert (run / "settings.json").is_file()
    assert main(["runs", "move", str(run), str(tmp_path / "to")]) == 0


def test_a_run_is_not_moved_over_anything_or_into_itself(run, tmp_path):
    (tmp_path / "file").write_text("x")
    shutil.copytree(run, tmp_path / "kept" / "mine")
    for to, said in (("file", "exists already"), ("kept", "exists already"), ("runs/mine/inner", "inside")):
        with pytest.raises(InputError, match=said):
            move_run(run, tmp_path / to)
    assert (run / "settings.json").is_file()


class Terminal:
    def __init__(self, answer, there=True):
        self.answer, self.there = answer, there

    def isatty(self):
        return self.there

    def readline(self):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "gone"),
    [("y\n", True), ("YES\n", True), ("n\n", False), ("", False), ("\n", False), ("yet\n", False)],
)
def test_delete_asks_first(run, monkeypatch, capsys, answer, gone):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main(["runs", "delete", str(run)]) == 0
    assert run.exists() != gone
    out = capsys.readouterr().out
    assert f"Delete {run} (MoCo, step 10, 0.1 MB)? [y/N]" in out
    assert ("is deleted: 0.1 MB are free" if gone else "stays") in out


def test_delete_without_a_terminal_needs_the_word(run, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("y\n", there=False))
    assert main(["runs", "delete", str(run)]) == 2
    assert "only after a yes at a terminal, or with --yes" in capsys.readouterr().err
    assert main(["runs", "delete", str(run), "--yes"]) == 0
    assert not run.exists()


def test_the_list_says_what_checkpoints_use(run, capsys):
    assert main(["runs", str(run.parent), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    use = disk_use(run)
    assert row["megabytes"] == round(use.total / 1e6, 1)
    assert row["checkpoint_megabytes"] == round(use.checkpoints / 1e6, 1)
    assert main(["runs", str(run.parent)]) == 0
    assert f"MB, of them {row['checkpoint_megabytes']} MB checkpoints." in capsys.readouterr().out


def test_a_run_with_linked_checkpoints_costs_its_cell_in_the_list(run, tmp_path, capsys):
    shutil.move(run / "checkpoints", tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert main(["runs", str(run.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["step"] == 0


@pytest.mark.parametrize("words", [["move", "a"], ["move", "a", "b", "c"], ["delete", "a", "b"], ["a", "b"]])
def test_wrong_words_say_the_right_ones(words, capsys):
    assert main(["runs", *words]) == 2
    assert "runs" in capsys.readouterr().err
