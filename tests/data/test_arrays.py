import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError


def opened(path, **more):
    return open_images(DataSettings(source=str(path), **more))


@pytest.fixture
def gray() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 6, 7), dtype=np.uint8)


def test_channels_may_be_last_first_or_absent(tmp_path, pictures, gray):
    last = pictures(3)
    np.save(tmp_path / "last.npy", last)
    np.save(tmp_path / "first.npy", last.transpose(0, 3, 1, 2))
    np.save(tmp_path / "gray.npy", gray)
    assert torch.equal(opened(tmp_path / "last.npy").images, torch.from_numpy(last).permute(0, 3, 1, 2))
    assert torch.equal(opened(tmp_path / "first.npy").images, opened(tmp_path / "last.npy").images)
    assert torch.equal(opened(tmp_path / "gray.npy").images[:, 0], torch.from_numpy(gray))


def test_labels_of_a_npy_come_from_the_file_that_is_named(tmp_path, gray):
    np.save(tmp_path / "x.npy", gray)
    np.save(tmp_path / "y.npy", np.array([[7], [3], [7], [9]]))
    images = opened(tmp_path / "x.npy", labels="y.npy")
    assert images.y.tolist() == [1, 0, 1, 2]
    assert images.class_names["label"] == ("3", "7", "9")
    assert opened(tmp_path / "x.npy").y is None


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_splits_and_labels_come_from_the_names_in_a_npz(tmp_path, gray, names):
    values = gray, np.array([2, 5, 9, 5]), gray[:2] // 2, np.array([9, 5])
    np.savez(tmp_path / "d.npz", **dict(zip(names, values, strict=True)))
    train, test = opened(tmp_path / "d.npz"), opened(tmp_path / "d.npz", split="test")
    assert train.y.tolist() == [0, 1, 2, 1]
    assert test.y.tolist() == [2, 1]
    assert torch.equal(test.images[:, 0], torch.from_numpy(gray[:2] // 2))
    assert opened(tmp_path / "d.npz", split="all").y.tolist() == [0, 1, 2, 1, 2, 1]
    with pytest.raises(InputError, match=r"no split 'val'; expected one of train, test, all"):
        opened(tmp_path / "d.npz", split="val")


def test_safetensors_hold_images_and_label_columns(tmp_path, gray):
    save_file(
        {"images": gray, "fine_label": np.array([3, 1, 2, 1]), "coarse_label": np.array([0, 1, 0, 1])},
        tmp_path / "d.safetensors",
    )
    images = opened(tmp_path / "d.safetensors")
    assert {name: column.tolist() for name, column in images.labels.items()} == {
        "fine_label": [2, 0, 1, 0],
        "coarse_label": [0, 1, 0, 1],
    }
    assert opened(tmp_path / "d.safetensors", labels="coarse_label").y.tolist() == [0, 1, 0, 1]
    assert torch.equal(images.images[:, 0], torch.from_numpy(gray))


def test_other_names_can_be_given(tmp_path, gray):
    np.savez(tmp_path / "d.npz", scans=gray, patient=np.array(["b", "a", "b", "c"]))
    images = opened(tmp_path / "d.npz", image_column="scans", labels="patient")
    assert images.y.tolist() == [1, 0, 1, 2]
    assert images.class_names["patient"] == ("a", "b", "c")
    with pytest.raises(InputError, match=r"has scans, patient; expected .* Set data.image_column"):
        opened(tmp_path / "d.npz")


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_pickled_array_is_never_loaded(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    trap = np.array([Trap()], dtype=object)
    np.save(path, trap, allow_pickle=True) if suffix == "npy" else np.savez(path, images=trap)
    with pytest.raises(InputError, match=rf"x.{suffix} could not be read.*never loaded.*Save it again"):
        opened(path)


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors"])
def test_a_broken_array_file_is_named(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(b"no array in here")
    with pytest.raises(InputError, match=rf"x.{suffix} could not be read as arrays"):
        opened(path)


def test_labels_that_do_not_match_in_length_are_refused(tmp_path, gray):
    np.savez(tmp_path / "d.npz", images=gray, labels=np.arange(3))
    with pytest.raises(InputError, match=r"'labels' of .*d.npz has 3 entries for 4 images"):
        opened(tmp_path / "d.npz")
    assert len(opened(tmp_path / "d.npz", labels="none")) == 4


def test_an_array_that_holds_no_images_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 5)))
    with pytest.raises(InputError, match="no array of images"):
        opened(tmp_path / "x.npy")
    np.save(tmp_path / "y.npy", np.zeros((4, 5, 6, 7)))
    with pytest.raises(InputError, match=r"shape \(4, 5, 6, 7\); expected \(n, height, width\)"):
        opened(tmp_path / "y.npy")


def test_floats_out_of_range_name_the_image_and_the_rule(tmp_path):
    np.save(tmp_path / "x.npy", np.stack([np.zeros((3, 3)), np.full((3, 3), 200.0)]))
    with pytest.raises(
        InputError, match=r"x.npy image 1 of images has values from 200 to 200; floats are read as 0"
    ):
        opened(tmp_path / "x.npy")
