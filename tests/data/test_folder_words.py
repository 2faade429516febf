"""What is said of a folder before anything is done with it."""

import numpy as np
import pytest
import torch

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError


def told(folder, **more):
    return open_images(DataSettings(source=str(folder), **more)).told


def picture(width, height):
    return np.zeros((height, width, 3), dtype=np.uint8)


def test_the_first_line_says_how_many_how_large_and_which_classes(write_folder):
    folder = write_folder(
        {"cat/1.png": picture(30, 26), "cat/2.png": picture(1200, 50), "dog/3.png": picture(40, 40)}
    )
    assert told(folder, size=8) == (
        f"{folder}: 3 pictures, 30 x 26 to 1,200 x 50, read at 8 px; 2 classes: cat, dog.",
    )


@pytest.mark.parametrize(
    ("files", "more", "said"),
    [
        ({"1.png": picture(8, 8)}, {}, "1 picture, 8 x 8, read as they are; no labels."),
        (
            {"1.png": picture(8, 8), "2.png": b"x"},
            {"on_bad_image": "skip"},
            "1 picture, 8 x 8, read as they are; no labels.",
        ),
        ({"only/1.png": picture(8, 8)}, {}, "1 picture, 8 x 8, read as they are; 1 class: only."),
        (
            {f"{name}/1.png": picture(8, 8) for name in "abcdefghij"},
            {},
            "10 pictures, 8 x 8, read as they are; 10 classes: a, b, c, d, e, f, g, h and 2 more.",
        ),
    ],
)
def test_the_first_line_of_other_folders(write_folder, files, more, said):
    folder = write_folder(files)
    assert told(folder, **more)[0] == f"{folder}: {said}"


def test_what_is_passed_over_is_said(write_folder, tmp_path):
    folder = write_folder(
        {
            "cat/1.png": picture(8, 8),
            "dog/2.png": picture(8, 8),
            "dog/.hidden.png": b"x",
            "__MACOSX/3.png": b"x",
            "notes.txt": b"x",
            "list": b"x",
            "more.txt": b"x",
            "empty/readme.md": b"x",
        }
    )
    (folder / "dog" / "again").symlink_to(folder)
    assert told(folder)[1:] == (
        "links to a folder that they lie in are not followed: dog/again.",
        "ignored, hidden or kept by a system: 2 pictures.",
        "files that are no pictures: 2 .txt, 1 without an ending, 1 .md.",
        "folders without pictures: empty.",
    )


def test_of_many_pictures_some_are_looked_at_for_their_sizes(write_folder):
    folder = write_folder({f"{number}.png": picture(8, 8) for number in range(201)})
    assert "201 pictures, 8 x 8 (of 101 looked at), read" in told(folder)[0]


def test_splits_are_named(write_folder):
    folder = write_folder({"Train/a/1.png": picture(8, 8), "Test/a/2.png": picture(8, 8)})
    assert "splits Test, Train; read: Test." in told(folder, split="test")
    assert "splits Test, Train; read: Test, Train." in told(folder, split="all")


@pytest.mark.parametrize(
    ("name", "said"), [("a.heic", "1 .heic"), ("img0001", "1 without an ending"), ("movie.mp4", "1 .mp4")]
)
def test_a_folder_without_pictures_says_what_is_there(write_folder, name, said):
    with pytest.raises(InputError, match=rf"holds no pictures.*Found: files that are no pictures: {said}"):
        told(write_folder({name: b"x"}))


def test_a_folder_whose_name_would_act_on_a_terminal_is_shown_plainly(write_folder):
    folder = write_folder({"a.png": picture(8, 8)}, folder="red \x1b[31m\n")
    assert "\x1b" not in "".join(told(folder))
    assert "\n" not in "".join(told(folder))


def test_links_are_listed_and_of_very_many_the_first(write_folder, tmp_path):
    folder = write_folder({"cat/1.png": picture(8, 8)})
    for number in range(25):
        away = write_folder({f"{number}.png": picture(8, 8)}, folder=f"away{number:02}")
        (folder / f"link{number:02}").symlink_to(away)
    lines = told(folder)
    assert f"link followed: link00 -> {tmp_path.resolve() / 'away00'}." in lines
    assert sum(line.startswith("link followed") for line in lines) == 20
    assert "and 5 more such links." in lines


def test_a_part_of_a_set_says_how_the_whole_was_read(write_folder):
    folder = write_folder({f"{number}.png": picture(8, 8) for number in range(3)})
    for budget in (64, 0):
        images = open_images(DataSettings(source=str(folder), memory_budget_mb=budget))
        assert images.select(torch.tensor([1])).told == images.told
