import os
import pickle
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from contrascope.errors import InputError
from contrascope.features.features import Features
from contrascope.features.files import load_features, save_features


def features():
    h = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    y = {"zebra": torch.tensor([0, 1, 0]), "ant": torch.tensor([2, 2, 3])}
    return Features(h=h, z=h[:, :, :2].contiguous(), y=y, ids=torch.tensor([9, 4, 6]))


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_features_come_back_as_they_were(tmp_path, suffix):
    saved = features()
    loaded = load_features(save_features(saved, tmp_path / "new" / f"f{suffix}"))
    assert torch.equal(loaded.h, saved.h)
    assert torch.equal(loaded.z, saved.z)
    assert torch.equal(loaded.ids, saved.ids)
    assert list(loaded.y) == ["zebra", "ant"]
    assert loaded.y["ant"].tolist() == [2, 2, 3]


def test_npy_holds_h_alone(tmp_path):
    loaded = load_features(save_features(features(), tmp_path / "f.npy"))
    assert torch.equal(loaded.h, features().h)
    assert (loaded.z, loaded.y, loaded.ids.tolist()) == (None, {}, [0, 1, 2])


def test_plain_arrays_from_anywhere_count_as_one_view(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    assert load_features(tmp_path / "a.npy").h.shape == (1, 3, 2)
    np.savez(tmp_path / "a.npz", h=np.ones((3, 2), dtype=np.float32), y=np.array([1, 0, 1], dtype=np.uint8))
    loaded = load_features(str(tmp_path / "a.npz"))
    assert loaded.labels("label").tolist() == [1, 0, 1]
    assert loaded.primary == "label"


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = save_features(features(), tmp_path / "f.npz")
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        save_features(features(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["f.npz"]


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Bomb()))
    np.savez("c.npz", h=np.array([Bomb()], dtype=object))
    for name in ("a.npy", "b.npy", "c.npz"):
        with pytest.raises(InputError, match="is not a readable"):
            load_features(name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"h": np.ones((3, 2)), "y": np.array([0, 1])}, r"y\['label'\] has shape \(2,\), but h has 3 images"),
        ({"h": np.array([[1.0], [np.nan]])}, r"h\[0\]: row 1 holds a non-finite value"),
        ({"h": np.ones(3)}, r"h has shape \(3,\); expected n x dim or views x n x dim"),
        ({"h": np.ones((3, 2)), "idz": np.arange(3)}, "unknown key 'idz'. Did you mean 'ids'"),
        ({"z": np.ones((3, 2))}, "there is no 'h'.* Keys: z"),
        ({"h": np.ones((0, 2))}, "h is empty"),
        ({"h": np.array([["a", "b"]])}, "holds no plain numbers"),
    ],
)
def test_bad_arrays_are_refused_with_their_path(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=rf"bad\.npz.*{message}"):
        load_features(tmp_path / "bad.npz")


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".npy"])
def test_a_broken_file_is_an_input_error(tmp_path, suffix):
    (tmp_path / f"f{suffix}").write_bytes(b"not it")
    with pytest.raises(InputError, match="is not a readable"):
        load_features(tmp_path / f"f{suffix}")


def test_unknown_formats_and_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot tell the format from '\.pt'"):
        save_features(features(), tmp_path / "f.pt")
    with pytest.raises(InputError, match="no file"):
        load_features(tmp_path / "f.npz")


def test_an_npz_that_unfolds_to_far_more_than_it_is_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    folded = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with folded as archive, archive.open("h.npy", "w") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (300, 2**18)}
        np.lib.format.write_array_header_1_0(file, head)
        for _ in range(300):
            file.write(bytes(2**20))
    with pytest.raises(InputError, match=r"unfolds from .* MiB to 300 MiB, and at most 256 MiB are unfolded"):
        load_features(path)


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_stored_and_folded_arrays_are_the_same(tmp_path, save, fortran):
    h = np.random.default_rng(0).normal(size=(5, 3))
    save(tmp_path / "x.npz", h=np.asfortranarray(h) if fortran else h, y=np.arange(5, dtype=">i2"))
    features = load_features(tmp_path / "x.npz")
    assert np.array_equal(features.h[0].numpy(), h)
    assert features.y["label"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY\x02\0\xff\xff\xff\xff{}", b"PK\3\4" + bytes(40), b"\x80\x04."]
)
def test_files_that_are_no_arrays_are_refused(tmp_path, suffix, data):
    (tmp_path / f"x{suffix}").write_bytes(data)
    with pytest.raises(InputError, match=rf"x{suffix} is not a readable {suffix} file of plain numbers"):
        load_features(tmp_path / f"x{suffix}")


def test_a_table_of_embeddings_whose_rows_share_one_long_word_is_refused(tmp_path):
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 400, pa.int32()), pa.array(["a" * 2**20]))
    table = pa.table({"h": [[0.0, 1.0]] * 400, "name": words})
    pq.write_table(table, tmp_path / "x.parquet", store_schema=False, dictionary_pagesize_limit=2**22)
    with pytest.raises(
        InputError, match=r"unfolds to more than 256 MiB; pictures and embeddings do not fold"
    ):
        load_features(tmp_path / "x.parquet")
