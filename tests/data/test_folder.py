import pytest
import torch

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError


def opened(folder, **more):
    return open_images(DataSettings(source=str(folder), **more))


def test_class_folders_become_sorted_classes(write_folder, pictures):
    a, b, c = pictures(3)
    images = opened(write_folder({"dog/1.png": a, "cat/2.png": b, "cat/deep/3.png": c}))
    assert images.class_names == {"label": ("cat", "dog")}
    assert images.y.tolist() == [0, 0, 1]
    expected = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in (b, c, a)])
    assert torch.equal(images.gather(torch.arange(3)), expected)


def test_a_flat_folder_is_unlabelled_and_companions_are_passed_over(write_folder, pictures):
    a, b = pictures(2)
    folder = write_folder({"b.png": b, "a.png": a, "README.md": b"read", ".hidden": b"x", "Thumbs.db": b"y"})
    images = opened(folder)
    assert images.y is None
    assert images.labels == {}
    assert torch.equal(images.gather(torch.tensor([0]))[0], torch.from_numpy(a).permute(2, 0, 1))
    assert len(images) == 2
    with pytest.raises(InputError, match=r"data.labels names the column 'label'"):
        opened(folder, labels="label")


def test_split_folders_are_splits(write_folder, pictures):
    a, b, c = pictures(3)
    folder = write_folder({"train/x/1.png": a, "train/y/1.png": b, "test/y/1.png": c, "test/x/1.png": a})
    assert opened(folder, split="test").y.tolist() == [0, 1]
    assert len(opened(folder, split="all")) == 4
    with pytest.raises(InputError, match=r"no split 'validation'; expected one of test, train, all"):
        opened(folder, split="validation")


def test_classes_of_an_incomplete_split_keep_their_index(write_folder, pictures):
    a, b, c = pictures(3)
    folder = write_folder({"train/x/1.png": a, "train/y/1.png": b, "test/y/1.png": c})
    assert opened(folder, split="test").y.tolist() == [1]
    assert opened(folder, split="test").class_names["label"] == ("x", "y")


def test_a_folder_without_splits_says_so(write_folder, pictures):
    with pytest.raises(InputError, match=r"no split 'test'.*expected split 'train' or 'all'"):
        opened(write_folder({"cat/1.png": pictures(1)[0]}), split="test")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    with pytest.raises(InputError, match=r"empty holds no pictures.*Check data.source"):
        opened(tmp_path / "empty")


def test_a_file_that_is_no_image_is_named_or_skipped(write_folder, pictures):
    folder = write_folder({"a.png": pictures(1)[0], "b.png": b"not a picture", "notes.doc": b"word"})
    with pytest.raises(InputError, match=r"b.png is no image that Pillow can read.*on_bad_image='skip'"):
        opened(folder)
    images = opened(folder, on_bad_image="skip")
    assert len(images) == 1
    assert [bad.name.rsplit("/", 1)[1] for bad in images.bad_images] == ["b.png"]
    assert "files that are no pictures: 1 .doc." in images.told


def test_only_bad_images_are_no_set(write_folder):
    with pytest.raises(InputError, match=r"has no image that can be read \(.*a.png is no image"):
        opened(write_folder({"a.png": b"nothing"}), on_bad_image="skip")


def test_a_picture_beside_class_folders_is_refused(write_folder, pictures):
    folder = write_folder({"cat/1.png": pictures(1)[0], "stray.png": pictures(1)[0]})
    with pytest.raises(InputError, match=r"pictures beside them \(.*stray.png\).*move the pictures"):
        opened(folder)


def test_the_fingerprint_is_the_same_elsewhere_and_sees_a_change(write_folder, pictures):
    a, b = pictures(2)
    here, there = write_folder({"x/1.png": a}, "here"), write_folder({"x/1.png": a}, "there")
    assert opened(here).fingerprint == opened(there).fingerprint
    assert opened(write_folder({"x/1.png": b}, "other")).fingerprint != opened(here).fingerprint
    assert opened(here, size=4).fingerprint != opened(here).fingerprint
