"""Tables beside pictures: rows and pictures are matched by name, columns are labels, gaps are refused or told."""

import json
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contrascope.data.labels import MissingColumnError
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError


def write_table(folder, name, rows):
    """Rows of one table in the format of its ending."""
    path = folder / name
    kind = path.suffix.lower()
    if kind == ".csv":
        columns = list(rows[0])
        lines = [",".join(columns), *(",".join(str(row.get(key, "")) for key in columns) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif kind == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


@pytest.fixture
def write(write_folder, pictures):
    def made(*names):
        return write_folder(dict(zip(names, pictures(len(names)), strict=True)))

    return made


def opened(folder, **more):
    return open_images(DataSettings(source=str(folder), **more))


FOUR = ("0.png", "1.png", "2.png", "3.png")
ROWS = [
    {"file_name": name, "kind": kind, "sex": sex}
    for name, kind, sex in zip(FOUR, "baba", "mmff", strict=True)
]


@pytest.mark.parametrize("name", ["labels.csv", "Labels.CSV", "labels.jsonl", "labels.parquet"])
def test_every_column_that_repeats_of_a_table_of_labels_is_a_label(write, name):
    found = opened(write_table(write(*FOUR), name, list(reversed(ROWS))))
    assert found.names() == FOUR
    assert found.class_names == {"kind": ("a", "b"), "sex": ("f", "m")}
    assert (found.labels["kind"].tolist(), found.labels["sex"].tolist()) == ([1, 0, 1, 0], [1, 1, 0, 0])


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "METADATA.parquet"])
def test_of_metadata_a_column_counts_that_is_named_like_labels_and_others_may_be_asked_for(write, name):
    rows = [
        {"file_name": row["file_name"], "caption": f"no {row['file_name']}", "label": row["kind"]}
        for row in ROWS
    ]
    folder = write_table(write(*FOUR), name, rows)
    found = opened(folder)
    assert found.class_names == {"label": ("a", "b")}
    assert "not used as labels: caption (another value for each picture)." in found.told
    assert list(opened(folder, labels="caption,label").labels) == ["caption", "label"]
    assert opened(folder, labels="none").labels == {}
    with pytest.raises(MissingColumnError, match=r"expected one of caption, label. Did you mean 'caption'"):
        opened(folder, labels="captions")


def test_class_folders_and_a_table_are_both_there_under_their_names(write):
    names = ("cat/0.png", "cat/1.png", "dog/2.png", "dog/3.png")
    rows = [
        {"file_name": name, "sex": sex, "label": age}
        for name, sex, age in zip(names, "fmfm", "oyyo", strict=True)
    ]
    folder = write_table(write(*names), "metadata.csv", rows)
    found = opened(folder)
    assert found.class_names == {"label": ("o", "y"), "folder": ("cat", "dog")}
    assert found.labels["folder"].tolist() == [0, 0, 1, 1]
    assert list(opened(folder, labels="folder,sex").labels) == ["folder", "sex"]


@pytest.mark.parametrize(
    "row", [{"file_name": "cat/0.png", "caption": "x"}, {"file_name": "dog/1.png", "score": 0.5}]
)
def test_a_table_that_says_no_labels_leaves_the_class_folders(write, row):
    folder = write_table(write("cat/0.png", "dog/1.png"), "metadata.parquet", [row])
    assert opened(folder).class_names == {"label": ("cat", "dog")}


@pytest.mark.parametrize(
    "said", ["./cat/é 1.png", "cat\\é 1.png", unicodedata.normalize("NFD", "cat/é 1.png")]
)
def test_a_row_finds_its_picture_however_it_is_spelt(write, said):
    folder = write_table(
        write("cat/é 1.png", "cat/2.png"),
        "labels.jsonl",
        [{"file_name": said, "kind": "a"}, {"file_name": "cat/2.png", "kind": "a"}],
    )
    assert opened(folder, labels="kind").labels["kind"].tolist() == [0, 0]


def test_of_two_unicode_forms_each_row_finds_its_own(write):
    forms = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    rows = [{"file_name": forms[0], "kind": "c"}, {"file_name": forms[1], "kind": "d"}]
    found = opened(write_table(write(*forms), "labels.jsonl", rows), labels="kind")
    said = dict(zip(found.names(), found.labels["kind"].tolist(), strict=True))
    assert said == {forms[0]: 0, forms[1]: 1}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([{"file_name": "9.png", "kind": "a"}], r"1 row without a picture here \(row 5: 9.png\)"),
        ([{"file_name": "../0.png", "kind": "a"}, {"file_name": "/etc/passwd"}], r"2 rows without a picture"),
        ([{"file_name": "labels.jsonl", "kind": "a"}], r"1 row without a picture here"),
        ([{"kind": "b"}], r"1 row without a picture here \(row 5: None\)"),
        ([{"file_name": "0.png", "kind": "c", "sex": "m"}], r"1 picture with two rows that differ \(0.png\)"),
    ],
)
def test_rows_that_do_not_fit_are_named_and_refused_or_left_out(write, more, said):
    folder = write_table(write(*FOUR), "labels.jsonl", [*ROWS, *more])
    with pytest.raises(InputError, match=rf"labels.jsonl: {said}.*on_bad_image='skip'"):
        opened(folder)
    skipped = opened(folder, on_bad_image="skip", labels="kind")
    assert len(skipped) == (3 if "differ" in said else 4)
    assert any("left out" in line for line in skipped.told)


def test_rows_that_say_the_same_twice_count_once(write):
    assert opened(write_table(write(*FOUR), "labels.csv", [*ROWS, ROWS[1]])).labels["kind"].tolist() == [
        1,
        0,
        1,
        0,
    ]


@pytest.mark.parametrize("gap", ["", None, float("nan")])
def test_pictures_without_a_label_are_two_readings_until_labels_are_named(write, gap):
    rows = [{**row, "kind": gap if place == 2 else row["kind"]} for place, row in enumerate(ROWS)]
    folder = write_table(write(*FOUR), "labels.jsonl", rows)
    with pytest.raises(
        InputError, match=r"no 'kind' for 1 of 4 pictures \(2.png\).*labels='kind'.*labels='none'"
    ):
        opened(folder)
    found = opened(folder, labels="kind")
    assert found.names() == ("0.png", "1.png", "3.png")
    assert "1 picture without kind left out; data.labels='none' reads all of them." in found.told
    assert len(opened(folder, labels="none")) == 4


def test_pictures_without_a_row_are_the_same(write):
    folder = write_table(write(*FOUR), "labels.csv", ROWS[:3])
    with pytest.raises(InputError, match=r"no 'kind' for 1 of 4 pictures \(3.png\)"):
        opened(folder)
    assert len(opened(folder, labels="sex,kind")) == 3


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.parquet", "labels.jsonl"])
def test_several_labels_a_picture_are_read_and_said_to_be_of_no_use(write, name):
    tags = [["a", "b"], ["a"], [], ["c"]]
    rows = [
        {"file_name": file, "tags": tag, "label": kind}
        for file, tag, kind in zip(FOUR, tags, "xyxy", strict=True)
    ]
    folder = write_table(write(*FOUR), name, rows)
    found = opened(folder)
    assert list(found.labels) == ["label"]
    assert (
        "not used as labels: tags (several labels a picture: 3 different, up to 2 each; scores here take one)."
        in found.told
    )
    with pytest.raises(
        InputError, match=r"'tags', which has several labels a picture \(3 different, up to 2 each\)"
    ):
        opened(folder, labels="tags")


def test_lists_of_one_label_are_that_label(write):
    rows = [{"file_name": file, "label": [kind]} for file, kind in zip(FOUR, "xyxy", strict=True)]
    assert opened(write_table(write(*FOUR), "metadata.jsonl", rows)).class_names == {"label": ("x", "y")}


def test_whole_numbers_are_sorted_as_numbers_and_fractions_are_no_labels(write):
    rows = [
        {"file_name": file, "label": float(value), "age": value + 0.5}
        for file, value in zip(FOUR, (10, 9, 10, 9), strict=True)
    ]
    found = opened(write_table(write(*FOUR), "metadata.parquet", rows))
    assert found.class_names == {"label": ("9", "10")}
    assert "not used as labels: age (no words or whole numbers)." in found.told


def test_a_column_split_chooses_rows(write):
    rows = [
        {**row, "split": split} for row, split in zip(ROWS, ("Train", "Train", "Test", None), strict=True)
    ]
    folder = write_table(write(*FOUR), "labels.jsonl", rows)
    assert opened(folder).names() == FOUR[:2]
    assert opened(folder, split="test").names() == FOUR[2:3]
    assert len(opened(folder, split="all")) == 4
    assert opened(folder, split="test").class_names == {"kind": ("a", "b"), "sex": ("f", "m")}


def test_tables_in_split_folders_name_files_below_their_own(write):
    folder = write("train/0.png", "train/1.png", "test/0.png")
    write_table(
        folder / "train",
        "metadata.csv",
        [{"file_name": "0.png", "label": "b"}, {"file_name": "1.png", "label": "c"}],
    )
    write_table(folder / "test", "metadata.jsonl", [{"file_name": "0.png", "label": "a"}])
    assert opened(folder).y.tolist() == [1, 2]
    assert opened(folder, split="test").y.tolist() == [0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("labels.csv", b"file_name,kind\n0.png\n", "row 1: it has not the 2 cells"),
        ("metadata.csv", b"file_name,kind\n\xe9.png,a\n", "cannot be read as a table"),
        ("labels.jsonl", b'{"file_name": "0.png"}\n{"file_', "line 2: "),
        ("metadata.jsonl", b"[1, 2]\n", "line 1 is no object"),
        ("metadata.parquet", b"PAR1 cut short", "cannot be read as a table"),
    ],
)
def test_a_broken_table_is_named(write, name, content, said):
    folder = write("0.png")
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        opened(folder)


@pytest.mark.parametrize("content", ["id,label\n0,a\n", "file_name;kind\n0.png;a\n", ""])
def test_a_table_without_file_names_is_not_used_and_says_so(write, content):
    folder = write("0.png", "1.png")
    (folder / "labels.csv").write_text(content)
    found = opened(folder)
    assert found.labels == {}
    assert any("labels.csv is not used: it has no column 'file_name'" in line for line in found.told)


def test_other_tables_are_other_files(write):
    folder = write_table(write(*FOUR), "train.csv", ROWS)
    write_table(folder, "embeddings.parquet", ROWS)
    assert opened(folder).labels == {}


def test_parquet_files_with_pictures_beside_picture_files_are_two_readings(write, write_hub, pictures):
    folder = write_hub(list(pictures(3)), folder="pictures", label=[0, 1, 0])
    assert len(opened(folder)) == 3
    write("a.png", "b.png")
    with pytest.raises(
        InputError, match=r"two ways: 2 picture files, or the pictures in Parquet files \(train-"
    ):
        opened(folder)
    assert len(opened(folder, layout="classes")) == 2
    assert len(opened(folder, image_column="img")) == 3
