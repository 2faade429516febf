"""Features as rows with names: tables for others, and names that come back from every format."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch

from contrascope.errors import InputError
from contrascope.features.features import Features
from contrascope.features.files import load_arrays, load_features, save_features, save_rows

ODD = ("a/1.png", "=1+1.png", "two\nlines.png", r"\xe9.png", '空 🐈, "x".png')


def features(views=1, **more):
    h = torch.randn(views, 5, 3, generator=torch.Generator().manual_seed(0))
    y = {"kind": torch.tensor([0, 1, -1, 1, 0]), "name": torch.arange(5)}
    classes = {"kind": ("ant", "bee")}
    told = {
        "h": h,
        "z": h[..., :2],
        "y": y,
        "ids": torch.tensor([3, 1, 4, 0, 2]),
        "names": ODD,
        "classes": classes,
    }
    return Features(**{**told, **more})


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_names_and_classes_come_back_and_one_view_is_stored_flat(tmp_path, suffix, views):
    saved = features(views)
    path = save_features(saved, tmp_path / f"f{suffix}")
    loaded = load_features(path)
    assert (loaded.names, loaded.classes) == (ODD, {"kind": ("ant", "bee")})
    assert torch.equal(loaded.h, saved.h)
    stored = safetensors.torch.load_file(path) if suffix == ".safetensors" else np.load(path, mmap_mode="r")
    assert stored["h"].shape == ((5, 3) if views == 1 else (2, 5, 3))
    if suffix == ".npz":
        stored.close()


def test_files_with_an_axis_of_one_view_and_without_names_still_open(tmp_path):
    h = np.ones((1, 4, 3), dtype=np.float32)
    np.savez(tmp_path / "old.npz", **{"h": h, "ids": np.arange(4), "y.kind": np.arange(4)})
    np.save(tmp_path / "old.npy", h)
    safetensors.torch.save_file(
        {"h": torch.ones(1, 4, 3), "ids": torch.arange(4)}, tmp_path / "old.safetensors"
    )
    for name in ("old.npz", "old.npy", "old.safetensors"):
        found = load_features(tmp_path / name)
        assert (found.h.shape, found.names) == ((1, 4, 3), ())


def test_parquet_has_names_ids_labels_with_their_words_and_comes_back(tmp_path):
    saved = features()
    path = save_features(saved, tmp_path / "f.parquet")
    table = pq.read_table(path)
    assert table.column_names == ["name", "id", "kind", "kind_name", "label_name", "h", "z"]
    assert table.column("kind_name").to_pylist() == ["ant", "bee", None, "bee", "ant"]
    loaded = load_features(path)
    assert (loaded.names, loaded.ids.tolist()) == (ODD, [3, 1, 4, 0, 2])
    assert torch.equal(loaded.h, saved.h)
    assert torch.equal(loaded.z, saved.z)
    assert loaded.y["label_name"].tolist() == [0, 1, 2, 3, 4]


def test_csv_holds_the_same_numbers_and_no_formula(tmp_path):
    saved = features(z=None)
    rows = rows_of(save_features(saved, tmp_path / "f.csv"))
    assert list(rows[0]) == ["name", "id", "kind", "kind_name", "label_name", "h_0", "h_1", "h_2"]
    assert [row["name"] for row in rows] == [ODD[0], "'=1+1.png", *ODD[2:]]
    found = torch.tensor([[float(row[f"h_{k}"]) for k in range(3)] for row in rows])
    assert torch.equal(found, saved.h[0])


def test_rows_alone_have_no_numbers_and_unnamed_ones_are_called_by_their_ids(tmp_path):
    rows = rows_of(save_rows(features(names=(), classes={}), tmp_path / "f.rows.csv"))
    assert list(rows[0]) == ["name", "id", "kind", "label_name"]
    assert [row["name"] for row in rows] == ["3", "1", "4", "0", "2"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_several_views_have_no_table(tmp_path, suffix):
    with pytest.raises(InputError, match=r"2 views of each image.*Write .safetensors or .npz"):
        save_features(features(2), tmp_path / f"f{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [("a",), tuple("abcdef")])
def test_another_count_of_names_is_refused(tmp_path, names):
    with pytest.raises(InputError, match=rf"{len(names)} names for 5 images"):
        features(names=names)
    np.savez(tmp_path / "f.npz", h=np.ones((5, 2), dtype=np.float32), names=np.array(names))
    with pytest.raises(InputError, match=rf"{len(names)} names for 5 rows"):
        load_arrays(tmp_path / "f.npz")


@pytest.mark.parametrize("names", [np.ones(5), np.full((5, 1), "a"), np.full(3, 255, dtype=np.uint8)])
def test_names_that_are_no_words_are_refused(tmp_path, names):
    np.savez(tmp_path / "f.npz", h=np.ones((5, 2), dtype=np.float32), names=names)
    with pytest.raises(InputError, match=r"not a readable .npz"):
        load_arrays(tmp_path / "f.npz")


def test_of_parquet_from_elsewhere_ids_win_over_id(tmp_path):
    import pyarrow as pa

    pq.write_table(pa.table({"id": [5, 6], "ids": [7, 8], "h": [[1.0], [2.0]]}), tmp_path / "f.parquet")
    found = load_arrays(tmp_path / "f.parquet")
    assert (found.ids.tolist(), {name: y.tolist() for name, y in found.y.items()}) == ([7, 8], {"id": [5, 6]})
