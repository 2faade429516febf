"""Images that stand twice: exact, brighter by a breath, saved again; and none where images only look alike."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from contrascope.diagnosis.checks.near_copies import near_copies

SOURCE = torch.Generator().manual_seed(0)


def pictures(count, side=16, channels=3):
    """Smooth pictures, as photographs are."""
    coarse = torch.rand(count, channels, 4, 4, generator=SOURCE)
    return torch.nn.functional.interpolate(coarse, size=side, mode="bilinear", align_corners=False)


def saved(images, quality):
    """Through a JPEG and back."""
    found = []
    for image in images:
        held = io.BytesIO()
        Image.fromarray((255 * image.permute(1, 2, 0)).byte().numpy()).save(held, "JPEG", quality=quality)
        found.append(torch.from_numpy(np.array(Image.open(held))).permute(2, 0, 1).float() / 255)
    return torch.stack(found)


def test_different_pictures_are_no_copies():
    assert not near_copies(pictures(200)).any()
    noise = torch.rand(200, 3, 8, 8, generator=SOURCE)
    assert not near_copies(noise).any()


def test_each_of_a_pair_is_a_copy_and_no_other():
    images = pictures(20)
    images[7] = images[3]
    assert near_copies(images).nonzero().flatten().tolist() == [3, 7]


@pytest.mark.parametrize("quality", [75, 95])
def test_a_picture_that_was_saved_again_is_a_copy(quality):
    images = pictures(30, side=32)
    both = torch.cat((images, saved(images[:10], quality)))
    expected = [*range(10), *range(30, 40)]
    assert near_copies(both).nonzero().flatten().tolist() == expected


def test_a_moved_or_mirrored_picture_is_none():
    images = pictures(30)
    assert not near_copies(torch.cat((images, images.flip(3), images.roll(4, dims=2)))).any()


@pytest.mark.parametrize("chunk_rows", [1, 7, 64])
def test_chunks_and_order_change_nothing(chunk_rows):
    images = pictures(40)
    images[11] = images[38]
    order = torch.randperm(40, generator=SOURCE)
    found = near_copies(images)
    assert torch.equal(near_copies(images, chunk_rows=chunk_rows), found)
    assert torch.equal(near_copies(images[order]), found[order])
    assert torch.equal(near_copies(255 * images), found)


def test_blank_and_single_images():
    assert near_copies(torch.zeros(5, 1, 4, 4)).all()
    assert near_copies(torch.zeros(1, 1, 4, 4)).tolist() == [False]
    assert near_copies(torch.zeros(0, 1, 4, 4)).tolist() == []
    two_blank = torch.cat((pictures(5, channels=1), torch.zeros(2, 1, 16, 16)))
    assert near_copies(two_blank).tolist() == [False] * 5 + [True] * 2


def test_sides_below_eight_are_compared_as_they_are():
    small = torch.rand(9, 1, 5, 3, generator=SOURCE)
    assert not near_copies(small).any()
    assert near_copies(torch.cat((small, small))).all()
