import subprocess
import sys

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from contrascope.data.imageset import ImageSet
from contrascope.data.kinds import SourceKind, source_kinds
from contrascope.data.memory import images_from
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError

EVERY = torch.arange(6)


def pixels(count=6, channels=3, side=8):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def table(**columns):
    data = {"img": [Image.fromarray(one) for one in pixels()], "label": [0, 1, 0, 1, 0, 2], **columns}
    kinds = {name: datasets.Value("string") for name in columns}
    features = datasets.Features({"img": datasets.Image(), "label": datasets.Value("int64"), **kinds})
    return datasets.Dataset.from_dict(data, features=features)


@pytest.mark.parametrize(
    "make",
    [
        lambda px: px,
        lambda px: torch.from_numpy(px).permute(0, 3, 1, 2),
        lambda px: torch.from_numpy(px).permute(0, 3, 1, 2).float() / 255,
        lambda px: px.astype(np.float64) / 255,
        lambda px: list(px),
        lambda px: [torch.from_numpy(one) for one in px],
        lambda px: images_from(px),
        lambda px: table(),
        lambda px: table().with_format("torch"),
        lambda px: datasets.DatasetDict({"train": table(), "test": table().select([0])}),
    ],
    ids=[
        "nhwc",
        "nchw",
        "floats",
        "doubles",
        "list",
        "list of tensors",
        "set",
        "data set",
        "formatted",
        "splits",
    ],
)
def test_the_same_pixels_come_from_every_form(make):
    images = images_from(make(pixels()))
    assert isinstance(images, ImageSet)
    assert torch.equal(images.gather(EVERY), torch.from_numpy(pixels()).permute(0, 3, 1, 2))
    assert images.names()[:2] == ("0", "1")


def test_gray_images_need_no_axis_of_channels_and_a_size_is_kept():
    images = images_from(pixels(channels=1)[..., 0], settings=DataSettings(size=4))
    assert images.shape == (1, 4, 4)


def test_the_order_of_a_tensor_is_channels_first_where_both_fit():
    both = np.zeros((2, 3, 4, 4), dtype=np.uint8)
    assert images_from(torch.from_numpy(both)).shape == (3, 4, 4)
    assert images_from(both).shape == (3, 3, 4)  # channels last, alpha laid over white


def test_labels_lie_beside_the_images():
    one = images_from(pixels(), labels=["b", "a", "a", "b", "b", "a"])
    assert (one.labels["label"].tolist(), one.class_names) == ([1, 0, 0, 1, 1, 0], {"label": ("a", "b")})
    two = images_from(pixels(), labels={"fine": np.arange(6), "coarse": torch.arange(6) // 3})
    assert list(two.labels) == ["fine", "coarse"]
    with pytest.raises(InputError, match=r"labels 'label' of images in memory have shape \(5,\)"):
        images_from(pixels(), labels=[0] * 5)


def test_columns_of_a_data_set_are_chosen_by_name_and_selected_rows_stay_together():
    held = table(kind=list("xyxyxy"))
    assert list(images_from(held, labels="kind").labels) == ["kind"]
    some = images_from(held.select([5, 0]), labels="label")
    assert some.y.tolist() == [1, 0]
    assert torch.equal(some.gather(torch.tensor([0]))[0], torch.from_numpy(pixels()[5]).permute(2, 0, 1))
    with pytest.raises(InputError, match=r"which data set .* does not have"):
        images_from(held, labels="kinds")
    assert images_from(held, labels="none").y is None


def test_choosing_a_column_of_a_set_leaves_the_set_as_it_was():
    held = images_from(pixels(), labels={"fine": np.arange(6), "coarse": np.arange(6) // 3})
    assert list(images_from(held, labels="coarse").labels) == ["coarse"]
    assert list(images_from(held, labels=[0] * 6).labels) == ["label"]
    assert list(held.labels) == ["fine", "coarse"]
    assert images_from(held, labels="fine,coarse") is held
    assert images_from(held, labels=[0] * 6).fingerprint != held.fingerprint


def test_arrays_inside_a_data_set_are_images_too():
    kinds = datasets.Features({"x": datasets.Array3D((8, 8, 3), "uint8")})
    held = datasets.Dataset.from_dict({"x": pixels().tolist()}, features=kinds)
    assert torch.equal(images_from(held).gather(EVERY), images_from(pixels()).gather(EVERY))


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (3, "images came as a int; expected a folder, a name, an array"),
        (pixels() * 1.0, "floats are read as 0 to 1"),
        (np.full((2, 4, 4), np.nan), "floats are read as 0 to 1"),
        (np.zeros((3, 4)), r"images in memory has shape \(3, 4\)"),
        ([np.zeros((4, 4)), np.zeros((5, 4))], "do not make one array"),
        (table().to_iterable_dataset(), "which cannot be read twice"),
    ],
    ids=["number", "0 to 255", "nan", "matrix", "sizes", "streaming"],
)
def test_what_is_no_set_of_images_is_refused_in_one_sentence(thing, message):
    with pytest.raises(InputError, match=message):
        images_from(thing)


def test_names_are_the_files_below_the_folder_also_after_skipped_ones(write_folder, pictures):
    a, b, c = pictures(3)
    folder = write_folder({"x/1.png": a, "x/2.png": b"broken", "y/3.png": b, "y/4.png": c})
    images = open_images(DataSettings(source=str(folder), on_bad_image="skip"))
    assert images.names() == ("x/1.png", "y/3.png", "y/4.png")
    assert images.select(torch.tensor([2, 0])).names(torch.tensor([1])) == ("x/1.png",)
    streamed = open_images(DataSettings(source=str(folder), on_bad_image="skip", memory_budget_mb=0))
    assert streamed.names() == images.names()
    assert images.to("cpu").names() == images.names()


def test_names_of_parquet_rows_are_the_paths_that_it_holds(write_hub, pictures):
    folder = write_hub([*pictures(2), b"broken", pictures(1)[0]])
    images = open_images(DataSettings(source=str(folder), on_bad_image="skip"))
    assert images.names() == ("0.png", "1.png", "3.png")


def test_rows_without_files_are_called_by_their_numbers_in_the_source():
    images = open_images(DataSettings(source="digits"))
    assert images.select(torch.tensor([7, 3])).select(torch.tensor([1])).names() == ("3",)


def test_the_kinds_of_sources_are_listed_without_torch():
    code = "from contrascope.data.kinds import source_kinds; source_kinds(); import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert {"digits", "scenes", "shapes"} <= {name for kind in source_kinds() for name in kind.names}


def test_one_file_is_enough_for_a_new_kind(monkeypatch):
    made = SourceKind(
        title="a test",
        recognises=lambda source: source == "test:",
        opener="contrascope.data.drawn.digits:open_digits",
        turn=0,
    )
    monkeypatch.setattr("contrascope.data.open.source_kinds", lambda: (made, *source_kinds()))
    assert len(open_images(DataSettings(source="test:"))) == 1297
    assert open_images(DataSettings(source="scenes", count=2)).shape == (3, 32, 32)


def test_images_that_were_in_memory_are_asked_for_again():
    with pytest.raises(InputError, match="were in memory when the run was made; give them again"):
        open_images(DataSettings(source="memory"))
