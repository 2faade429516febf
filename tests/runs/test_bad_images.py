import json

import pytest
import torch

from contrascope.data.imageset import BadImage, InMemoryImages
from contrascope.runs.bad_images import tell_images, told_of


def images(count):
    bad = tuple(BadImage(f"{number}.png", "is no image") for number in range(count))
    return InMemoryImages(images=torch.zeros(2, 1, 4, 4, dtype=torch.uint8), bad_images=bad)


@pytest.mark.parametrize(
    ("count", "end"), [(1, "0.png is no image."), (20, "19.png is no image."), (23, "3 more.")]
)
def test_without_a_file_skipped_images_are_named_up_to_twenty(count, end):
    (line,) = told_of(images(count))
    assert line.startswith(f"{count} picture{'s' * (count > 1)} skipped: 0.png is no image")
    assert line.endswith(end)


def test_a_name_that_would_act_on_a_terminal_is_shown_plainly():
    bad = (BadImage("a\x1b[2J\n.png", "is no image"),)
    (line,) = told_of(InMemoryImages(images=torch.zeros(1, 1, 4, 4, dtype=torch.uint8), bad_images=bad))
    assert line.isprintable()


@pytest.mark.parametrize(
    ("beside", "listed"),
    [("f.npz", "f.bad_images.json"), ("a.b.csv", "a.b.bad_images.json"), (".", "bad_images.json")],
)
def test_all_of_them_are_listed_beside_what_is_written(tmp_path, beside, listed):
    said = []
    tell_images(images(23), said.append, beside=tmp_path / beside)
    assert said == [f"23 pictures skipped, listed in {tmp_path / listed}."]
    assert json.loads((tmp_path / listed).read_text())["count"] == 23


def test_whole_sets_write_and_say_nothing(tmp_path):
    tell_images(images(0), pytest.fail, beside=tmp_path)
    assert list(tmp_path.iterdir()) == []
