"""What folders mean is decided by the whole tree; what can mean two things is refused, both named."""

import os
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError, MissingSplitError


@pytest.fixture
def write(write_folder, pictures):
    """Writes one picture at each place; returns the folder."""

    def made(*names, folder="pictures"):
        return write_folder(dict(zip(names, pictures(len(names)), strict=True)), folder)

    return made


def opened(folder, **more):
    return open_images(DataSettings(source=str(folder), **more))


def opened_or_refused(folder, **more):
    """The set, or the sentence that refuses it."""
    try:
        return opened(folder, **more)
    except InputError as error:
        return str(error)


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (("Train/cat/1.png", "Train/dog/1.png", "Test/dog/1.png"), "test"),
        (("TRAINING/cat/1.png", "TRAINING/dog/1.png", "TESTING/dog/1.png"), "test"),
        (("training/cat/1.png", "training/dog/1.png", "Val/dog/1.png"), "validation"),
        (("train/cat/1.png", "train/dog/1.png", "VALID/dog/1.png"), "val"),
    ],
)
def test_splits_are_found_in_any_capitals_and_by_what_they_mean(write, names, split):
    folder = write(*names)
    assert opened(folder).names() == names[:2]
    found = opened(folder, split=split)
    assert (found.names(), found.y.tolist(), found.class_names["label"]) == (names[2:], [1], ("cat", "dog"))
    assert len(opened(folder, split="all")) == 3


def test_a_split_of_another_name_is_missing(write):
    with pytest.raises(MissingSplitError, match=r"no split 'test'; expected one of Train, Val, all"):
        opened(write("Train/a/1.png", "Val/a/1.png"), split="test")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train/a/1.png", "test/a/1.png", "extra/1.png"), r"without the folder extra beside them"),
        (("Train/1.png", "Val/2.png", "logo.png"), r"without 1 picture beside them"),
        (("train/a/1.png", "unlabelled/2.png"), r"train as splits, 1 picture without the folder unlabelled"),
        (
            ("train/1.png", "test/1.png", "a/1.png", "b/1.png", "c.png"),
            r"1 picture and the folders a, b beside",
        ),
    ],
)
def test_split_folders_beside_strays_are_refused_and_a_setting_chooses(write, names, said):
    folder = write(*names)
    with pytest.raises(
        InputError, match=rf"two ways: .*{said}.*data.layout='splits' or data.layout='classes'"
    ):
        opened(folder)
    splits = opened(folder, layout="splits", split="all")
    assert len(splits) < len(names)
    assert any("outside of the splits left out" in line for line in splits.told)
    assert len(opened(folder, layout="classes", labels="none")) == len(names)


def test_a_class_that_is_called_train_beside_others_is_a_class(write):
    found = opened(write("train/1.png", "bus/1.png", "tram/1.png"))
    assert found.class_names == {"label": ("bus", "train", "tram")}


def test_one_split_in_two_capitals_is_refused(write):
    with pytest.raises(InputError, match=r"folders Train, train, which are one split in other capitals"):
        opened(write("Train/a/1.png", "train/a/2.png"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("cat/train/1.png", "cat/test/2.png", "dog/train/3.png"), "cat holds the splits test, train"),
        (("data/Train/a/1.png", "data/Test/a/2.png"), "data holds the splits Test, Train"),
        (
            ("2020/x/val/1.png", "2020/x/training/2.png", "2021/3.png"),
            "2020/x holds the splits training, val",
        ),
    ],
)
def test_splits_below_classes_are_refused_so_that_no_test_picture_is_trained_on(write, names, said):
    folder = write(*names)
    for labels in (None, "none"):
        with pytest.raises(InputError, match=rf"{said}.*data.layout='classes'"):
            opened(folder, labels=labels)
    assert len(opened(folder, layout="classes")) == len(names)


@pytest.mark.parametrize("wrapper", ["photos", "dataset 1", "Bilder"])
def test_one_folder_of_folders_is_refused_with_the_inner_one_to_give(write, wrapper):
    folder = write(f"{wrapper}/cat/1.png", f"{wrapper}/dog/2.png")
    with pytest.raises(
        InputError, match=rf"one class, {wrapper}, .*classes cat, dog in .*Set data.source to "
    ):
        opened(folder)
    assert opened(folder / wrapper).class_names == {"label": ("cat", "dog")}
    assert opened(folder, layout="classes").class_names == {"label": (wrapper,)}
    assert opened(folder, labels="none").y is None


def test_one_class_folder_alone_is_one_class(write):
    found = opened(write("only/1.png", "only/2.png"))
    assert (found.y.tolist(), found.class_names) == ([0, 0], {"label": ("only",)})


@pytest.mark.parametrize(
    "names",
    [
        ("2021/01/a.png", "2021/02/b.png", "2022/c.png"),
        ("cat/a.png", "cat/deep/deeper/b.png", "dog/c.png"),
        ("a b/x.png", "é/y.png", "🐈/z.png"),
    ],
)
def test_nested_folders_count_to_the_top_one_or_are_one_set_without_labels(write, names):
    folder = write(*names)
    tops = sorted({name.split("/")[0] for name in names})
    found = opened(folder)
    assert found.class_names == {"label": tuple(tops)}
    assert [tops[code] for code in found.y.tolist()] == [name.split("/")[0] for name in found.names()]
    plain = opened(folder, labels="none")
    assert (plain.y, sorted(plain.names())) == (None, sorted(names))


def test_pictures_beside_class_folders_are_one_set_or_left_out_by_what_labels_say(write):
    folder = write("cat/1.png", "dog/2.png", "loose.png", "more.png")
    with pytest.raises(InputError, match=r"4 pictures \(data.labels='none'\), or as 2 classes, 2 pictures"):
        opened(folder)
    assert opened(folder, labels="none").names() == ("cat/1.png", "dog/2.png", "loose.png", "more.png")
    found = opened(folder, labels="label")
    assert found.names() == ("cat/1.png", "dog/2.png")
    assert "2 pictures without label left out; data.labels='none' reads all of them." in found.told


def test_a_split_without_class_folders_has_no_labels(write):
    folder = write("train/cat/1.png", "train/dog/2.png", "test/a.png", "test/b.png")
    assert opened(folder).class_names == {"label": ("cat", "dog")}
    assert opened(folder, split="test").y is None


def test_a_class_or_a_split_may_be_a_link(write, tmp_path):
    folder = write("train/cat/1.png", "test/cat/2.png")
    away = write("9.png", folder="away")
    (folder / "train" / "dog").symlink_to(away)
    (folder / "val").symlink_to("test")
    assert opened(folder).names() == ("train/cat/1.png", "train/dog/9.png")
    assert opened(folder, split="val").names() == ("test/cat/2.png",)
    assert len(opened(folder, split="all")) == 3  # no picture twice


def test_splits_are_refused_where_no_folder_is_named_so(write):
    with pytest.raises(InputError, match=r"no folder in .* is named train"):
        opened(write("1.png"), layout="splits")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"caf\xe9.png", r"caf\xe9.png"),
        (b"two\nlines.png", "two\nlines.png"),
        ("🐈\u200d⬛.png".encode(), "🐈\u200d⬛.png"),
        (b"n" * 251 + b".png", "n" * 251 + ".png"),
        (b"\xff\xfe.png", r"\xff\xfe.png"),
    ],
)
def test_files_of_any_name_are_read_and_called_by_valid_text(write, raw, said, pictures):
    folder = write("cat/1.png", "dog/1.png")
    os.rename(os.fsencode(folder / "cat" / "1.png"), os.fsencode(folder / "cat") + b"/" + raw)
    found = opened(folder)
    assert found.names() == (f"cat/{said}", "dog/1.png")
    assert found.fingerprint == opened(folder).fingerprint
    assert torch.equal(found.gather(torch.tensor([0]))[0], torch.as_tensor(pictures(2)[0]).permute(2, 0, 1))
    assert "\n" not in "".join(found.told)
    with open(os.fsencode(folder / "cat") + b"/" + raw, "wb") as file:
        file.write(b"broken")
    with pytest.raises(InputError, match=r"is no image") as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


def test_a_class_whose_name_is_no_utf8_has_a_valid_name(write):
    folder = write("cat/1.png", "dog/1.png")
    os.rename(os.fsencode(folder / "cat"), os.fsencode(folder) + b"/\xe9t\xe9")
    assert opened(folder).class_names == {"label": (r"\xe9t\xe9", "dog")}


def test_two_unicode_forms_of_one_name_are_two_files(write):
    forms = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    assert sorted(opened(write(*forms)).names()) == sorted(forms)


WORD = st.sampled_from(["a", "B", "c c", "é", "2021", "x.y"])
PLACES = st.lists(st.lists(WORD, max_size=3), min_size=1, max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=PLACES, seed=st.integers(0, 99))
def test_any_tree_gives_every_picture_in_order_and_the_same_streamed(tmp_path_factory, encoded, places, seed):
    root = tmp_path_factory.mktemp("tree")
    rng = np.random.default_rng(seed)
    names = sorted(
        {"/".join([*place, f"{number}.png"]) for number, place in enumerate(places)},
        key=lambda n: n.split("/"),
    )
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)))
    held, streamed = (opened(root, labels="none", memory_budget_mb=budget) for budget in (64, 0))
    assert held.names() == streamed.names() == tuple(names)
    assert held.fingerprint == streamed.fingerprint
    every = torch.arange(len(names))
    assert torch.equal(held.gather(every), streamed.gather(every))
    first, second = (opened_or_refused(root, memory_budget_mb=budget) for budget in (64, 0))
    if isinstance(first, str):
        assert first == second
        assert "data.labels='none'" in first  # what is refused says what may be chosen
        return
    assert first.names() == second.names() == tuple(names)
    tops = [name.split("/")[0] for name in names]
    if first.y is not None:
        assert [first.class_names["label"][code] for code in first.y.tolist()] == tops
        assert torch.equal(first.y, second.y)
