"""The worlds have the constants they claim; the counter-examples are what the papers' corrected texts say."""

import math
from pathlib import Path

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.worlds.worlds import (
    WORLDS,
    counter_example,
    expected_square_range,
    fresh_error,
    orbit_world,
    report,
    squared_form_fails,
    world_bounds,
)

PAGE = Path(__file__).parents[3] / "docs" / "theory" / "worlds.md"


def small_world(**changes):
    setting = dict(classes=3, per_class=15, order=8, noise=0.2, leak=0.3, outliers=0.1)
    return orbit_world(**setting | changes)


@pytest.mark.parametrize("order", [2, 5, 8])
def test_delta_bounds_the_augmented_distance_of_main_parts(order):
    world = small_world(order=order, per_class=40)
    stray = torch.arange(40).repeat(3) < 4
    for k in range(3):
        part = world.views[:, (world.y == k) & ~stray]
        gaps = torch.cdist(part.transpose(0, 1).flatten(0, 1), part.transpose(0, 1).flatten(0, 1))
        closest = gaps.view(part.shape[1], order, part.shape[1], order).amin(dim=(1, 3))
        assert 0.5 * world.delta < closest.max().item() <= world.delta


def test_the_encoder_is_never_steeper_than_its_constant():
    world = small_world()
    x = world.views.flatten(0, 1)
    exact = dict(compute_mode="donot_use_mm_for_euclid_dist")
    slope = torch.cdist(world.encoder(x), world.encoder(x), **exact) / torch.cdist(x, x, **exact).clamp_min(
        1e-9
    )
    assert 0.5 * world.lipschitz < slope.max().item() <= world.lipschitz


def test_the_views_are_the_whole_orbit_and_rotations_permute_them():
    world = small_world(order=8)
    turn = math.pi / 4
    rows = [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
    spin = torch.tensor(rows, dtype=torch.float64)
    turned = torch.cat([world.views[..., :3], world.views[..., 3:] @ spin], dim=2)
    torch.testing.assert_close(turned, world.views.roll(-1, dims=0))


def test_sigma_is_the_share_that_is_no_outlier():
    world = small_world(outliers=0.2, noise=0.01)
    nearest = world.views[0, :, :3].argmax(dim=1)
    assert (nearest == world.y).double().mean().item() == pytest.approx(world.sigma)
    assert world.sigma == pytest.approx(0.8)


def test_one_world_has_a_certified_error_within_0_05_of_its_true_error_above_zero():
    setting = dict(classes=5, per_class=50, order=64, noise=0.02, leak=0.02, outliers=0.02)
    world, fresh = (orbit_world(**setting, seed=seed) for seed in (0, 1))
    known, measured = world_bounds(world, fresh)
    error = fresh_error(world, fresh)
    assert error == pytest.approx(0.02) == measured.cap.terms["error"]
    assert str(known).startswith("Err <= 0.02 over all views")
    for bound in (known, measured.theorem, measured.direct, measured.cap):
        assert bound.word == "informative"
        assert error <= bound.value + 1e-12 <= error + 0.05


def test_a_richer_augmentation_makes_the_known_bound_informative():
    words = [
        world_bounds(orbit_world(classes=3, per_class=12, order=order, noise=0.02, leak=0.02, outliers=0.0))[
            0
        ].word
        for order in (4, 64)
    ]
    assert words == ["vacuous", "informative"]


def test_alignment_is_half_of_epsilon_and_yet_risk_is_a_quarter():
    for epsilon in (1.0, 0.01):
        example = counter_example(epsilon, views=2)
        assert example.l_align == pytest.approx(epsilon / 2, rel=0.05)
        assert example.risk_zero == 0.0
        assert example.risk_far == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("m", "value"), [(2, 2.0), (3, 3.654), (4, 5.0125), (6, 7.142)])
def test_empirical_l_ar_is_a_quarter_of_epsilon_times_the_expected_squared_range(m, value):
    assert expected_square_range(m) == pytest.approx(value, abs=1e-3)
    assert counter_example(0.4, views=m).l_ar == pytest.approx(0.1 * value, rel=0.05)


def test_the_expected_squared_range_equals_its_closed_forms():
    assert expected_square_range(2) == pytest.approx(2, abs=1e-6)
    assert expected_square_range(3) == pytest.approx(2 + 3 * math.sqrt(3) / math.pi, abs=1e-6)


@pytest.mark.parametrize("t", [0.01, 0.3])
def test_the_printed_bound_of_arcl_is_broken_and_the_first_power_is_not(t):
    example = squared_form_fails(t)
    assert example.gap == pytest.approx(1.0)
    assert example.squared == pytest.approx(t**2 + t)
    assert example.squared < example.gap < example.first_power == pytest.approx(1 + t)


def test_the_page_shows_the_report_as_it_comes_out():
    table = report()
    assert len(table.splitlines()) == len(WORLDS) + 2
    assert table in PAGE.read_text(encoding="utf-8")


def test_impossible_worlds_are_refused():
    with pytest.raises(InputError, match="classes=1"):
        small_world(classes=1)
    with pytest.raises(InputError, match=r"noise is 1\.5"):
        small_world(noise=1.5)
    with pytest.raises(InputError, match="views=1"):
        counter_example(0.1, views=1)
    with pytest.raises(InputError, match="at least two numbers"):
        expected_square_range(1)
    with pytest.raises(InputError, match=r"t=0\.0"):
        squared_form_fails(0.0)
