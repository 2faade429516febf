import csv
import io

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from contrascope.errors import InputError
from contrascope.exports.csv_table import write_csv
from contrascope.exports.measure import Measured, image_table
from contrascope.exports.parquet import write_parquet
from contrascope.exports.rows import label_columns, png, row_batches
from contrascope.features.files import load_arrays


@pytest.fixture
def make_table(make_set):
    def make(count=7, **more):
        source = torch.Generator().manual_seed(3)
        h = torch.randn(count, 4, generator=source)
        measured = Measured(h=h, alignment=torch.rand(count, generator=source))
        place = torch.randn(count, 2, generator=source, dtype=torch.float64)
        return image_table(make_set(count, **more), "train", measured, place, neighbours=3)

    return make


def test_datasets_opens_the_table_with_images_and_class_names(make_table, tmp_path):
    import datasets

    table = make_table()
    path = write_parquet(table, tmp_path / "t.parquet", rows=3)
    found = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert found.column_names == [
        *("id", "name", "split", "image", "x", "y", "alignment"),
        *("kind", "kind_name", "label_x", "neighbours", "h"),
    ]
    assert isinstance(found.features["image"], datasets.Image)
    assert found.features["kind"].names == ["=cmd()", "<script>alert(1)</script>"]
    for place, row in enumerate(found):
        expected = table.images.gather(torch.tensor([place]))[0]
        assert np.array_equal(np.asarray(row["image"]), expected.permute(1, 2, 0).numpy())
        assert row["id"] == place
        assert row["kind"] == place % 3 - 1
        assert row["kind_name"] == (None, "=cmd()", "<script>alert(1)</script>")[place % 3]
        assert row["label_x"] == place
        assert row["h"] == table.measured.h[place].tolist()
        assert (row["x"], row["y"]) == tuple(table.place[place].tolist())


def test_pandas_and_pyarrow_open_it_row_group_by_row_group(make_table, tmp_path):
    import pandas as pd

    path = write_parquet(make_table(), tmp_path / "t.parquet", rows=3)
    groups = pq.ParquetFile(path)
    assert [groups.metadata.row_group(i).num_rows for i in range(groups.num_row_groups)] == [3, 3, 1]
    frame = pd.read_parquet(path)
    assert frame["alignment"].between(0, 1).all()
    assert Image.open(io.BytesIO(frame["image"][0]["bytes"])).size == (8, 8)


def test_neighbours_have_the_shape_that_embedding_atlas_reads(make_table, tmp_path):
    """Zero-based row numbers under `ids`, numbers that rise under `distances`: its --neighbors option."""
    table = make_table()
    rows = pq.read_table(write_parquet(table, tmp_path / "t.parquet")).to_pylist()
    for place, row in enumerate(rows):
        near = row["neighbours"]
        assert list(near) == ["ids", "distances"]
        assert place not in near["ids"]
        h = table.measured.h.double()
        for other, distance in zip(near["ids"], near["distances"], strict=True):
            cosine = float(h[place] @ h[other] / (h[place].norm() * h[other].norm()))
            assert distance == pytest.approx(1 - cosine, abs=1e-6)
        assert near["distances"] == sorted(near["distances"])


def test_our_own_reader_takes_the_table_back(make_table, tmp_path):
    table = make_table()
    arrays = load_arrays(write_parquet(table, tmp_path / "t.parquet"))
    assert torch.equal(arrays.h[0], table.measured.h)
    assert torch.equal(arrays.y["kind"], table.images.labels["kind"])


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_the_size_of_a_row_group_changes_no_value(make_table, tmp_path, rows):
    one = pq.read_table(write_parquet(make_table(), tmp_path / "a.parquet", rows=rows))
    other = pq.read_table(write_parquet(make_table(), tmp_path / "b.parquet"))
    assert one.equals(other)


def test_csv_has_one_line_an_image_and_no_formula(make_table, tmp_path):
    import pandas as pd

    table = make_table()
    path = write_csv(table, tmp_path / "t.csv", rows=2)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert rows[1]["kind_name"] == "'=cmd()"
    assert rows[2]["kind_name"] == "<script>alert(1)</script>"
    assert rows[0]["kind_name"] == ""
    assert rows[0]["kind"] == "-1"
    assert [int(i) for i in rows[4]["neighbour_ids"].split()] == table.near.index[4].tolist()
    frame = pd.read_csv(path)
    assert frame["x"].tolist() == pytest.approx(table.place[:, 0].tolist(), rel=1e-6)
    assert {"image", "h"}.isdisjoint(frame.columns)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_png_keeps_every_pixel(make_set, channels, mode):
    pixels = make_set(channels=channels).gather(torch.tensor([0]))[0]
    opened = Image.open(io.BytesIO(png(pixels)))
    assert opened.mode == mode
    assert np.array_equal(np.asarray(opened).reshape(8, 8, channels), pixels.permute(1, 2, 0).numpy())


def test_five_channels_have_no_png_but_a_csv(make_table, tmp_path):
    with pytest.raises(InputError, match=r"images with 5 channels have no PNG; expected 1 to 4\. Export csv"):
        write_parquet(make_table(channels=5), tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []
    assert write_csv(make_table(channels=5), tmp_path / "t.csv").is_file()


def test_an_unlabelled_set_has_no_label_columns(make_table):
    table = make_table(labels=None, class_names=None)
    assert label_columns(table.images) == []
    (batch,) = row_batches(table, 10, pixels=False)
    assert list(batch) == ["id", "name", "split", "x", "y", "alignment", "neighbours"]


def test_class_names_that_come_twice_stay_numbers_with_a_name_beside_them(make_table, tmp_path):
    import datasets

    table = make_table(labels={"kind": torch.arange(7) % 2}, class_names={"kind": ("same", "same")})
    path = write_parquet(table, tmp_path / "t.parquet")
    features = datasets.Features.from_arrow_schema(pq.read_schema(path))
    assert features["kind"] == datasets.Value("int64")
    assert set(pq.read_table(path)["kind_name"].to_pylist()) == {"same"}


def test_an_interrupted_table_leaves_no_file(make_table, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    for write, name in ((write_parquet, "t.parquet"), (write_csv, "t.csv")):
        with pytest.raises(KeyboardInterrupt):
            write(make_table(), tmp_path / name, rows=2, progress=stop)
    assert list(tmp_path.iterdir()) == []
