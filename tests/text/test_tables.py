"""Sources of sentences: what each is read as, and the line that a broken one is named by."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contrascope.errors import InputError, MissingSplitError
from contrascope.text.tables import read_table, texts_of

BROKEN = {
    "a.jsonl": ('{"text": "one"}\n\n{"text": "two"\n', r"a.jsonl, line 3: no JSON"),
    "b.jsonl": ('{"text": "one"}\n[1]\n', r"b.jsonl, line 2: expected an object with columns, got a list"),
    "c.jsonl": (
        '{"text": "one"}\n{"txt": "two"}\n',
        r"c.jsonl, line 2: has columns txt, but the first row text",
    ),
    "d.csv": ("text,label\none,1\ntwo\n", r"d.csv, line 3: has 1 cells; the header has 2"),
    "e.csv": ('text\n"one\n', r"e.csv, line 2: unexpected end of data"),
    "f.txt": (b"fine\ncaf\xe9\n", r"f.txt, line 2: not UTF-8"),
    "g.txt": ("\n \n", r"g.txt holds no rows"),
    "h.parquet": ("no table", r"h.parquet cannot be read as Parquet"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_its_line(tmp_path, name):
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_table(str(tmp_path / name), split="train")


def test_every_ending_gives_the_same_texts(tmp_path):
    texts = ["The cat sat, quietly.", "Déjà vu"]
    (tmp_path / "a.txt").write_text("\ufeff" + "\n\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"text": "The cat sat, quietly."}\n{"text": "D\\u00e9j\\u00e0 vu"}\n')
    (tmp_path / "a.csv").write_text('label,text\n1,"The cat sat, quietly."\n0,Déjà vu\n', encoding="utf-8")
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    for ending in (".txt", ".jsonl", ".csv", ".parquet"):
        found = read_table(str(tmp_path / f"a{ending}"), split="train")
        assert texts_of(found, (), name="a") == [texts], ending


def test_a_folder_is_read_in_the_layout_of_the_hub(tmp_path):
    (tmp_path / "data").mkdir()
    for part, text in enumerate(("one", "two")):
        pq.write_table(pa.table({"text": [text]}), tmp_path / "data" / f"train-0000{part}-of-00002.parquet")
    (tmp_path / "test.txt").write_text("three\n")
    assert read_table(str(tmp_path), split="train") == {"text": ["one", "two"]}
    assert read_table(str(tmp_path), split="test") == {"text": ["three"]}
    with pytest.raises(MissingSplitError, match="no split 'validation'; it has test, train"):
        read_table(str(tmp_path), split="validation")


def test_a_folder_of_folders_says_which_there_are(tmp_path):
    (tmp_path / "documents").mkdir()
    (tmp_path / "sentences").mkdir()
    with pytest.raises(InputError, match=r"Its folders are documents, sentences; name one of them"):
        read_table(str(tmp_path), split="train")


def test_columns_are_found_or_asked_for_and_an_empty_row_is_named():
    assert texts_of({"sentence": ["one"], "label": [1]}, (), name="x") == [["one"]]
    with pytest.raises(
        InputError, match=r"neither a column text nor sentence, but label; name yours: data.columns"
    ):
        texts_of({"label": [1]}, (), name="x")
    with pytest.raises(InputError, match=r"x has no column 'positive'; it has text"):
        texts_of({"text": ["one"]}, ("text", "positive"), name="x")
    with pytest.raises(InputError, match=r"x, row 2: column text holds '  '; expected a text"):
        texts_of({"text": ["one", "  "]}, (), name="x")
    with pytest.raises(InputError, match=r"there is no file or folder missing\.txt"):
        read_table("missing.txt", split="train")
    with pytest.raises(InputError, match="no sentences are named"):
        read_table("", split="train")
