"""Planted duplicates: each is found, by the rule that is meant for it, and nothing else is."""

import pytest
import torch

import contrascope
from contrascope.curation.duplicates import Pair, copy_groups, grouped
from contrascope.curation.rows import NamedRows
from contrascope.data.imageset import InMemoryImages
from contrascope.errors import InputError


@pytest.fixture
def planted(pictures, again):
    """Forty pictures; 40 to 43 are copies of 3, 5, 7 and 9."""
    images = pictures(40)
    brighter = (images[7].float() * 1.12).clamp(max=255).byte()
    cropped = torch.nn.functional.interpolate(
        images[9][None, :, 1:30, 1:30].float(), size=32, mode="bilinear", align_corners=False
    )[0].byte()
    return torch.cat([images, torch.stack([images[3], again(images[5], 92), brighter, cropped])])


def ends(found):
    return {(pair.first, pair.second): pair.kind for pair in found.pairs}


def test_every_planted_copy_is_found_and_nothing_else(encoder, planted):
    found = contrascope.duplicates(encoder, planted)
    assert ends(found).keys() == {(3, 40), (5, 41), (7, 42), (9, 43)}
    assert ends(found)[3, 40] == ends(found)[5, 41] == "same picture"
    assert ends(found)[9, 43] == "alike"
    assert set(found.groups) == {(3, 40), (5, 41), (7, 42), (9, 43)}
    assert found.spare == 4


def test_different_pictures_are_no_duplicates(encoder, pictures):
    assert contrascope.duplicates(encoder, pictures(150, seed=3)).pairs == ()


def test_what_training_and_test_images_share(encoder, planted, pictures):
    test = torch.cat([planted[40:], pictures(9, seed=5)])
    found = contrascope.duplicates(encoder, test, against=planted[:40])
    assert ends(found).keys() == {(0, 3), (1, 5), (2, 7), (3, 9)}
    assert found.groups == ()
    assert found.spare == 4
    assert found.other is not None
    assert len(found.other) == 40


def test_another_split_of_the_same_images(encoder):
    found = contrascope.duplicates(encoder, "digits", against_split="test")
    assert found.other is not None
    assert (len(found.rows), len(found.other)) == (1297, 500)
    assert all(pair.first < 1297 and pair.second < 500 for pair in found.pairs)
    with pytest.raises(InputError, match="no splits"):
        contrascope.duplicates(torch.eye(4), against_split="test")


def test_a_large_group_hangs_together(encoder, pictures):
    images = torch.cat([pictures(5), pictures(1, seed=9).expand(70, -1, -1, -1)])
    assert contrascope.duplicates(encoder, images).groups == (tuple(range(5, 75)),)


def test_gray_copies_of_colour_pictures_are_asked_of_the_encoder_alone(pictures):
    images = pictures(20)
    gray = images.float().mean(dim=1, keepdim=True).round().byte()
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.AvgPool2d(4), torch.nn.Flatten())
    found = contrascope.duplicates(net, images, against=gray, similarity=0.9)
    assert all(pair.kind == "alike" for pair in found.pairs)


def test_rows_without_images_are_alike_up_to_rounding():
    rows = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    rows[20] = 3 * rows[11]
    rows[30] = rows[12] + 0.2
    found = contrascope.duplicates(rows)
    assert ends(found) == {(11, 20): "alike"}
    assert (12, 30) in ends(contrascope.duplicates(rows, similarity=0.9))
    across = contrascope.duplicates(rows[:20], against=rows[20:])
    assert ends(across) == {(11, 0): "alike"}


def test_rows_of_another_encoder_are_refused():
    with pytest.raises(InputError, match=r"4 columns and .* has 5"):
        contrascope.duplicates(torch.eye(5), against=torch.eye(4))


@pytest.mark.parametrize("wrong", [{"similarity": 1.5}, {"against": torch.eye(3), "against_split": "test"}])
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(InputError, match=r"cosine|second sets"):
        contrascope.duplicates(torch.eye(3), **wrong)


def test_groups_are_those_of_a_chain():
    chain = [Pair(first=a, second=b, kind="alike", similarity=1.0) for a, b in ((0, 9), (9, 4), (2, 3))]
    assert grouped(chain, 10) == ((0, 4, 9), (2, 3))
    assert grouped([], 10) == ()


def test_copies_share_a_number(planted):
    rows = NamedRows(
        about="x", names=tuple("a" * 44), h=torch.zeros(44, 2), images=InMemoryImages(images=planted)
    )
    number = copy_groups(rows).tolist()
    assert number[40] == 3
    assert number[41] == 5
    assert number[:40] == list(range(40))
