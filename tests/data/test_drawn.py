"""Digits, scenes and shapes: the sets that are always there."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from contrascope.data.drawn.digits import digit_scans
from contrascope.data.drawn.scenes import draw_scenes, scene_factors
from contrascope.data.drawn.shapes import SHAPES, draw_shapes, edge_distance, shape_factors
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError

both = pytest.mark.parametrize("source", ["scenes", "shapes"])


def opened(source, **more):
    return open_images(DataSettings(source=source, **more))


def test_digits_are_the_scans_with_sixteen_as_white():
    images, levels = opened("digits", split="all"), load_digits().images
    assert images.images.shape == (1797, 1, 8, 8)
    for row in (0, 100, 1796):
        expected = [[int(level * 255 / 16 + 0.5) for level in line] for line in levels[row]]
        assert np.abs(images.images[row, 0].numpy().astype(int) - expected).max() <= 1
    assert int(images.images[torch.from_numpy(levels)[:, None] == 16].min()) == 255
    assert images.y.tolist() == load_digits().target.tolist()


def test_the_digits_test_split_is_the_last_fifty_of_each():
    train, test = digit_scans("train"), digit_scans("test")
    assert torch.bincount(test.digits).tolist() == [50] * 10
    assert sorted([*train.rows.tolist(), *test.rows.tolist()]) == list(range(1797))
    for digit in range(10):
        assert train.rows[train.digits == digit].max() < test.rows[test.digits == digit].min()


def test_digits_can_be_enlarged_and_unknown_splits_are_refused():
    assert opened("digits", split="test", size=16).shape == (1, 16, 16)
    with pytest.raises(InputError, match=r"digits has no split 'val'; expected one of train, test, all"):
        opened("digits", split="val")


@both
def test_a_drawn_set_is_the_same_for_the_same_seed_only(source):
    first, again, other = (opened(source, count=20, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert not torch.equal(first.images, other.images)
    assert not torch.equal(first.factors["x"], opened(source, count=20, split="test").factors["x"])


@both
def test_fewer_images_are_the_first_of_more(source):
    assert torch.equal(opened(source, count=7).images, opened(source, count=19).images[:7])


@both
def test_every_image_can_be_drawn_again_from_its_factors(source):
    images = opened(source, count=24, split="all", size=20)
    draw = {"scenes": draw_scenes, "shapes": draw_shapes}[source]
    assert len(images) == 48
    some = {name: values[[5, 40]] for name, values in images.factors.items()}
    assert torch.equal(draw(some, 20), images.images[[5, 40]])


@both
def test_a_flat_background_has_one_colour_and_a_busy_one_many(source):
    spread = []
    for background in (0.0, 0.5, 1.0):
        images = opened(source, count=40, background=background)
        corner = images.images[:, :, :3, :3].float().flatten(2)
        spread.append(corner.std(dim=2).mean().item())
        if background == 0:
            colour = (images.factors["background"] * 255).round()[:, :, None]
            outside = (images.factors["x"] - images.factors["size"] / 2 * math.sqrt(2) > 3 / 32).nonzero()[
                :, 0
            ]
            assert len(outside) > 3
            assert torch.equal(corner[outside], colour.expand(-1, -1, 9)[outside])
    assert spread[0] < spread[1] < spread[2]


def test_scenes_of_train_and_test_share_no_scan_and_show_their_digit():
    train, test = opened("scenes"), opened("scenes", split="test")
    assert not set(train.factors["scan"].tolist()) & set(test.factors["scan"].tolist())
    assert len(train) == 8 * 1297
    assert torch.equal(train.y, torch.from_numpy(load_digits().target)[train.factors["scan"]])


def plain(factors, **fixed):
    """Factors with these fixed, white on black."""
    count = len(factors["x"])
    white, black = torch.ones(count, 3), torch.zeros(count, 3)
    colours = {"foreground": white, "background": black, "background_second": black}
    return factors | colours | {name: torch.full((count,), float(value)) for name, value in fixed.items()}


def test_an_upright_scene_in_full_size_is_the_scan_itself():
    factors = plain(scene_factors("train", count=5, seed=0, background=0.0), x=0.5, y=0.5, size=1, tilt=0)
    assert torch.equal(draw_scenes(factors, 8)[:, :1], digit_scans("train").images[:5])


def test_a_quarter_turn_is_counter_clockwise():
    factors = plain(scene_factors("train", count=5, seed=0, background=0.0), x=0.5, y=0.5, size=1, tilt=90)
    turned = digit_scans("train").images[:5].rot90(1, dims=(2, 3))
    assert (draw_scenes(factors, 8)[:, :1].int() - turned.int()).abs().max() <= 1


@settings(derandomize=True, deadline=None, max_examples=10)
@given(x=st.floats(0.3, 0.7), y=st.floats(0.3, 0.7), tilt=st.floats(0, 360))
def test_the_middle_of_a_shape_is_where_its_factors_say(x, y, tilt):
    factors = plain(shape_factors("train", count=8, seed=0, background=0.0), x=x, y=y, size=0.5, tilt=tilt)
    ink = draw_shapes(factors, 64)[:, 0].double()
    centres = (torch.arange(64).double() + 0.5) / 64
    mass = ink.sum((1, 2))
    found = torch.stack([(ink.sum(1) * centres).sum(1) / mass, (ink.sum(2) * centres).sum(1) / mass], dim=1)
    centred = torch.tensor([name != "half_disc" for name in SHAPES])
    assert (found - torch.tensor([x, y]).double())[centred].abs().max() < 0.005


AREAS = {
    "disc": math.pi,
    "ring": math.pi * (1 - 0.25),
    "half_disc": math.pi / 2,
    "square": 2,
    "triangle": 3 * math.sqrt(3) / 4,
    "pentagon": 2.5 * math.sin(2 * math.pi / 5),
    "cross": 4 * 2 * 0.95 * 0.3 - 4 * 0.3**2 + 0,
    "star": 10 * 0.5 * 0.4 * math.sin(math.pi / 5),
}


@pytest.mark.parametrize("index", range(8), ids=SHAPES)
def test_the_ink_of_a_shape_is_its_area_by_geometry(index):
    factors = plain(shape_factors("train", count=8, seed=0, background=0.0), x=0.5, y=0.5, size=0.75, tilt=17)
    radius = 0.75 / 2 * 64
    ink = draw_shapes(factors, 64)[index, 0].double().sum() / 255
    assert ink.item() == pytest.approx(AREAS[SHAPES[index]] * radius**2, rel=0.01)


def test_edge_distances_by_hand():
    def at(shape, right, down):
        return edge_distance(shape, torch.tensor([right]), torch.tensor([down])).item()

    assert at("ring", 0.75, 0.0) == -0.25
    assert at("cross", 0.5, 0.0) == pytest.approx(-0.3)
    assert at("square", 0.0, 0.0) == pytest.approx(-math.sqrt(0.5))
    assert at("half_disc", 0.0, 0.5) == 0.5
    assert at("star", 1.0, 0.0) == pytest.approx(0, abs=1e-6)
    assert at("star", -0.4, 0.0) == pytest.approx(0, abs=1e-6)


def test_shapes_are_balanced_and_named():
    images = opened("shapes", count=16)
    assert torch.bincount(images.y).tolist() == [2] * 8
    assert images.class_names["shape"][images.y[1]] == "disc"
