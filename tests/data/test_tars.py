import gc
import io
import os
import tarfile

import pytest
import torch

from contrascope.data.archives import tars
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError, MissingSplitError


def opened(source, **more):
    return open_images(DataSettings(source=str(source), **more))


def write_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def folder(tmp_path, pictures, encoded):
    """Six pictures in three tars, two of them called train."""
    for number, name in enumerate(["train-0000", "train-0001", "val-0000"]):
        files = {}
        for place, one in enumerate(pictures(6)[2 * number : 2 * number + 2]):
            files[f"{place:03}.png"] = encoded(one)
            files[f"{place:03}.cls"] = str([9, 10, 7, 9, 9, 10][2 * number + place]).encode()
        write_tar(tmp_path / f"{name}.tar", files)
    return tmp_path


@pytest.mark.parametrize("budget", [1024, 0], ids=["memory", "stream"])
def test_tars_of_a_split_are_one_set_with_one_numbering_of_classes(folder, pictures, budget):
    images = opened(folder, memory_budget_mb=budget)
    expected = torch.from_numpy(pictures(6)[:4].transpose(0, 3, 1, 2).copy())
    assert torch.equal(images.gather(torch.arange(4)), expected)
    assert images.class_names == {"label": ("7", "9", "10")}
    assert images.y.tolist() == [1, 2, 0, 1]
    assert images.names()[2] == "train-0001.tar/000.png"
    assert len(opened(folder, split="validation")) == 2
    assert len(opened(folder, split="all")) == 6


def test_tars_without_labels_are_read_and_splits_that_they_lack_are_refused(tmp_path, pictures, encoded):
    for number in range(2):
        write_tar(tmp_path / f"{number:05}.tar", {"cat/a.png": encoded(pictures(1)[0])})
    images = opened(tmp_path)
    assert images.y is None
    assert images.names() == ("00000.tar/cat/a.png", "00001.tar/cat/a.png")
    with pytest.raises(MissingSplitError, match=r"its \.tar files are one split"):
        opened(tmp_path, split="test")


def test_pictures_beside_tars_are_the_set_and_the_tars_are_told(folder, pictures, encoded):
    (folder / "a.png").write_bytes(encoded(pictures(1)[0]))
    images = opened(folder)
    assert len(images) == 1
    assert any("3 .tar" in line for line in images.told)


def test_a_damaged_tar_is_named(folder):
    (folder / "train-0001.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(InputError, match=r"train-0001\.tar is no whole \.tar"):
        opened(folder)


def test_no_more_files_are_open_than_allowed_and_none_at_the_end(folder, monkeypatch):
    monkeypatch.setattr(tars, "OPEN", 1)
    before = len(os.listdir("/proc/self/fd"))
    images = opened(folder, split="all", memory_budget_mb=0)
    for order in ([0, 2, 4], [5, 3, 1]):
        images.gather(torch.tensor(order))
        assert len(os.listdir("/proc/self/fd")) == before + 1
    del images
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
