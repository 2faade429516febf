import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from contrascope.errors import InputError
from contrascope.features.files import load_arrays, load_features

H = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def write(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("name", ["h", "embedding", "features", "anything"])
@pytest.mark.parametrize("kind", ["list", "large list", "fixed size list"])
def test_a_table_reads_back_with_its_label_columns(tmp_path, name, kind):
    types = {"list": pa.list_(pa.float32()), "large list": pa.large_list(pa.float32())}
    kinds = types | {"fixed size list": pa.list_(pa.float32(), 4)}
    column = pa.array(list(H), type=kinds[kind])
    path = write(tmp_path / "a.parquet", **{name: column, "fine": [0, 1, 2, 0, 1, 2], "file": list("abcdef")})
    found = load_features(path)
    assert torch.equal(found.h[0], torch.from_numpy(H))
    assert found.y["fine"].tolist() == [0, 1, 2, 0, 1, 2]
    assert list(found.y) == ["fine"]


def test_a_projector_column_and_several_row_groups(tmp_path):
    table = pa.table({"h": list(H), "z": list(H[:, :2])})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    found = load_features(tmp_path / "a.parquet")
    assert found.z is not None
    assert torch.equal(found.z[0], torch.from_numpy(H[:, :2]))
    assert torch.equal(found.h[0], torch.from_numpy(H))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"h": [[1.0, 2.0], [3.0]]}, "rows of one length"),
        ({"h": [[1.0, 2.0], [3.0], [1.0, 2.0, 3.0]]}, "rows of different lengths, 1 to 3"),
        ({"h": [[1.0], None]}, "1 empty rows"),
        ({"h": [[1.0], [None]]}, "missing numbers"),
        ({"h": [["a"], ["b"]]}, "no plain numbers"),
        ({"x": [1, 2]}, "there is no 'h'"),
    ],
)
def test_a_table_without_plain_rows_is_refused_by_column(tmp_path, columns, message):
    with pytest.raises(InputError, match=message):
        load_features(write(tmp_path / "a.parquet", **columns))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(InputError, match="no whole Parquet file"):
        load_features(tmp_path / "a.parquet")


def test_an_npy_file_is_mapped_and_never_written(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, H)
    before = path.read_bytes()
    found = load_arrays(path)
    found.h[0, 0, 0] = 99.0
    assert path.read_bytes() == before


def test_arrays_with_nan_are_read_and_features_with_nan_are_refused(tmp_path):
    bad = H.copy()
    bad[2, 1] = np.nan
    np.save(tmp_path / "a.npy", bad)
    assert load_arrays(tmp_path / "a.npy").h.isnan().sum() == 1
    with pytest.raises(InputError, match="row 2 holds a non-finite value"):
        load_features(tmp_path / "a.npy")
