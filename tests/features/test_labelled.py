import pytest

from contrascope.errors import InputError
from contrascope.features.labelled import filled_classes, read_labelled, write_labelled

NAMES = ["a.png", "b/c.png", "=d.png", "e,f.png", "7"]


def table(folder, *rows, head="file,class"):
    path = folder / "labels.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_what_is_written_is_read_when_it_is_filled_in(tmp_path):
    path = write_labelled(tmp_path / "label.csv", NAMES)
    with pytest.raises(InputError, match="no class in any row"):
        read_labelled(path, NAMES)
    lines = path.read_text(encoding="utf-8").splitlines()
    filled = [
        lines[0],
        *(line + word for line, word in zip(lines[1:], ["cat", "", "ant", " cat ", "bee"], strict=True)),
    ]
    path.write_text("\n".join(filled), encoding="utf-8-sig")
    found = read_labelled(path, NAMES)
    assert found.ids.tolist() == [0, 2, 3, 4]
    assert found.classes == ("ant", "bee", "cat")
    assert found.labels.tolist() == [2, 0, 2, 1]
    write_labelled(path, NAMES, dict(filled_classes(path)))
    assert read_labelled(path, NAMES).labels.tolist() == [2, 0, 2, 1]


def test_a_file_twice_with_one_class_counts_once_and_other_columns_are_left(tmp_path):
    path = table(tmp_path, "a.png,x,cat", "7,y,ant", "a.png,z,cat", head="file,note,class")
    assert read_labelled(path, NAMES).ids.tolist() == [0, 4]


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (["a.png,cat", "a.png,ant"], "file,class", "two classes to a.png"),
        (
            ["z.png,cat"],
            "file,class",
            "names z.png, and the images have no such name; they are called as a.png",
        ),
        ([f"{k}.jpg,cat" for k in range(9)], "file,class", "and 6 more"),
        (["a.png;cat"], "file;class", "expected file and class, with commas between"),
        (["a.png,cat,3"], "file,class", "cells"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path, rows, head, said):
    with pytest.raises(InputError, match=said):
        read_labelled(table(tmp_path, *rows, head=head), NAMES)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_labelled(tmp_path / "none.csv", NAMES)
