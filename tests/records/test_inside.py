import pytest

from contrascope.errors import InputError
from contrascope.records.inside import whole_file, whole_folder


def broken_write(path):
    with whole_file(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def test_a_file_that_was_interrupted_leaves_the_old_one_and_no_trace(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("old")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt):
        broken_write(path)
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with whole_folder(tmp_path / "new") as partial:
        (partial / "a").write_text("1")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "a").read_text() == "1"
    assert [file.name for file in tmp_path.iterdir()] == ["new"]


def failing_folder(path):
    with whole_folder(path) as partial:
        (partial / "a").write_text("1")
        raise InputError("differs")


def test_a_folder_that_failed_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="differs"):
        failing_folder(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_users_is_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"mine exists already and is not empty.*choose another --out"):
        failing_folder(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
