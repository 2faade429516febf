"""Tables and pages: whole, escaped, without anything that is loaded."""

import csv
import html

import pytest
import torch
from PIL import Image

from contrascope.curation import verbs
from contrascope.curation.written import write_clusters, write_duplicates, write_neighbours, write_outliers
from contrascope.errors import InputError


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@pytest.fixture
def odd_names(folder):
    """A name that a page and a spreadsheet must not act on, and a copy of a picture."""
    (folder / "01.png").rename(folder / "=1+1<b>.png")
    (folder / "zz.png").write_bytes((folder / "05.png").read_bytes())
    return str(folder)


def test_pages_show_the_pictures_and_load_nothing(encoder, odd_names, tmp_path):
    out = tmp_path / "out"
    made = [
        write_neighbours(verbs.neighbours(encoder, "=1+1<b>.png", odd_names, k=3), out),
        write_duplicates(verbs.duplicates(encoder, odd_names), out),
        write_outliers(verbs.outliers(encoder, odd_names, k=3), out, count=5),
        write_clusters(verbs.clusters(encoder, odd_names, k=3), out),
    ]
    shown = [4, 2, 5, 13]
    for one, count in zip(made, shown, strict=True):
        assert one.page is not None
        page = one.page.read_text(encoding="utf-8")
        assert page.count("data:image/webp;base64,") == count
        assert "<b>" not in page
        assert "http://" not in page
        assert "https://" not in page
        assert "<script" not in page
        assert "default-src 'none'" in html.unescape(page)
    assert rows_of(out / "duplicates.csv")[0] | {"similarity": ""} == {
        "file": "05.png",
        "like": "zz.png",
        "kind": "same picture",
        "similarity": "",
        "group": "0",
    }
    assert {row["file"] for row in rows_of(out / "outliers.csv")} >= {"'=1+1<b>.png", "00.png"}
    assert sorted(row["cluster"] for row in rows_of(out / "clusters.csv"))[-1] == "2"
    assert sorted(path.name for path in out.iterdir()) == [
        *("clusters.csv", "clusters.html", "duplicates.csv", "duplicates.html", "neighbours.html"),
        *("outliers.csv", "outliers.html"),
    ]


def test_pairs_of_two_sets_are_shown_side_by_side(encoder, odd_names, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Image.open(f"{odd_names}/07.png").save(other / "again.png")
    made = write_duplicates(verbs.duplicates(encoder, odd_names, against=str(other)), tmp_path)
    assert made.page is not None
    assert made.page.read_text(encoding="utf-8").count("data:image/webp;base64,") == 2
    (row,) = rows_of(tmp_path / "duplicates.csv")
    assert (row["file"], row["like"], row["group"]) == ("07.png", "again.png", "")


def test_rows_without_images_have_a_table_and_no_page(tmp_path):
    made = write_outliers(verbs.outliers(torch.eye(6), k=2), tmp_path, count=3)
    assert made.page is None
    assert made.table is not None
    assert len(rows_of(made.table)) == 6


def test_a_link_in_place_of_a_table_is_not_followed(tmp_path):
    (tmp_path / "outliers.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        write_outliers(verbs.outliers(torch.eye(6), k=2), tmp_path, count=3)
    assert not (tmp_path / "elsewhere").exists()
