"""Operations of known strength: what they do to pixels, and derivatives against finite differences."""

import math

import pytest
import torch
from torch import nn

from contrascope.augment.changes import CHANGES, changes_for, find_change, moved_images, strengths
from contrascope.diagnosis.operations import forward_directions
from contrascope.errors import InputError

each_continuous = pytest.mark.parametrize("name", [name for name, one in CHANGES.items() if not one.switch])


def pictures(count=6, channels=3, side=16):
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(count, channels, 4, 4, generator=generator)
    return 0.2 + 0.6 * nn.functional.interpolate(rough, size=(side, side), mode="bilinear")


@each_continuous
def test_strength_0_leaves_the_image_as_it_is(name):
    images = pictures()
    moved, eps = moved_images(name, images, torch.zeros(len(images)))
    assert eps.tolist() == [0.0] * len(images)
    assert torch.allclose(moved, images, atol=2e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_the_input_stays_and_the_output_is_an_image_that_differs(name):
    images = pictures()
    before = images.clone()
    moved, _ = moved_images(name, images, torch.full((len(images),), find_change(name).reach))
    assert torch.equal(images, before)
    assert moved.shape == images.shape
    assert 0 <= moved.min() <= moved.max() <= 1 + 1e-6
    assert (moved - images).abs().mean() > 1e-3


@pytest.mark.parametrize("name", ["brightness", "hue", "shift"])
def test_one_strength_after_another_adds_up(name):
    images = pictures(side=16)
    if name == "shift":  # whole pixels, away from the border
        images = nn.functional.pad(images[..., 4:12, 4:12], (4, 4, 4, 4))
    one, two = torch.full((6,), 1 / 16), torch.full((6,), 1 / 8)
    twice = moved_images(name, moved_images(name, images, one)[0], one)[0]
    assert torch.allclose(twice, moved_images(name, images, two)[0], atol=1e-5)


def test_a_rotation_by_a_quarter_turn_is_that_of_torch():
    images = pictures()
    moved, _ = moved_images("rotation", images, torch.full((6,), math.pi / 2))
    assert torch.allclose(moved, torch.rot90(images, -1, (2, 3)), atol=1e-5)


@pytest.mark.parametrize(("name", "factor"), [("zoom", 2.0), ("zoom", 0.5), ("crop", 2.0)])
def test_strength_is_the_log_of_how_much_larger_a_square_becomes(name, factor):
    image = nn.functional.pad(torch.ones(1, 1, 4, 4), (6, 6, 6, 6))
    moved, eps = moved_images(name, image, torch.tensor([math.log(factor)]))
    assert eps.item() == pytest.approx(math.log(factor))
    assert moved.sum().sqrt().item() == pytest.approx(4 * factor, rel=1e-5)


def test_a_crop_says_how_large_its_box_really_was():
    images = pictures(side=16)
    _, eps = moved_images("crop", images, torch.full((6,), 0.5))
    assert eps.tolist() == pytest.approx([math.log(16 / round(16 * math.exp(-0.5)))] * 6)


def test_strengths_are_keyed_by_image_and_stay_in_reach():
    ids = torch.arange(500)
    for name, one in CHANGES.items():
        drawn = strengths(name, ids, seed=1, epoch=2)
        assert torch.equal(strengths(name, ids[100:], seed=1, epoch=2), drawn[100:])
        if not one.switch:
            assert -one.reach * (not one.sided) <= drawn.min() < drawn.max() <= one.reach
            assert drawn.std() > one.reach / 5
    assert not torch.equal(strengths("zoom", ids, seed=1, epoch=2), strengths("zoom", ids, seed=2, epoch=2))


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_forward_mode_is_the_limit_of_finite_differences(name):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 14 * 14, 5)).double()
    images = pictures().double()
    exact = forward_directions(encoder, name, images)
    assert exact is not None
    step = torch.full((6,), 1e-5, dtype=torch.float64)
    with torch.no_grad():
        ends = [encoder(moved_images(name, images, sign * step)[0]) for sign in (1, -1)]
    assert torch.allclose(exact, (ends[0] - ends[1]) / 2e-5, atol=1e-6)


def test_what_has_no_derivative_says_so():
    assert forward_directions(nn.Flatten(), "rotation", pictures()) is None
    assert forward_directions(nn.Flatten(), "flip", pictures()) is None


def test_gray_images_have_no_colour_operations():
    gray = set(changes_for(1))
    assert {"hue", "saturation", "gray"} == set(CHANGES) - gray
    for name in gray:
        moved_images(name, pictures(channels=1), torch.full((6,), 0.1))


def test_an_unknown_operation_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'zoom'"):
        find_change("zom")
