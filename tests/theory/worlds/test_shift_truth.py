"""The main theorem where every constant is known: colour shifts and encoders that remove or leak them."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.data.drawn.shapes import draw_shapes, shape_factors
from contrascope.errors import InputError
from contrascope.theory.worlds.shift_truth import shift_bound, shift_estimate, shift_truth
from contrascope.theory.worlds.shift_world import ShiftEncoder, shift_distance, shift_views


def source(seed):
    return torch.Generator().manual_seed(seed)


def world(seed, *, noise=0.1, strays=0, classes=3, per_class=8, channels=2, pixels=6):
    """Templates with noise; the first `strays` images of each class show the next class's template."""
    templates = torch.randn(classes, channels, pixels, generator=source(seed), dtype=torch.float64)
    y = torch.arange(classes).repeat_interleave(per_class)
    shown = (y + (torch.arange(per_class).repeat(classes) < strays)) % classes
    bump = torch.randn(len(y), channels, pixels, generator=source(seed + 1), dtype=torch.float64)
    return templates[shown] + noise * bump, y


def shifted(images, shifts):
    return images + shifts[..., None]


def test_one_channel_with_a_leak_by_hand():
    images = torch.tensor(
        [[[0.0, 2.0]], [[1.0, 3.0]]], dtype=torch.float64
    )  # invariant parts are sqrt(2) long
    truth = shift_truth(images, torch.tensor([0, 1]), ShiftEncoder(leak=0.5), reach=0.4)
    length = math.sqrt(2)
    ends = [(math.atan((0.5 * m - 0.2) / length), math.atan((0.5 * m + 0.2) / length)) for m in (1.0, 2.0)]
    chords = [2 * math.sin((high - low) / 2) for low, high in ends]
    assert truth.worst.tolist() == pytest.approx(chords, abs=1e-14)
    gap = 2 * math.sin((math.atan(0.5 * 1.6 / length) - math.atan(0.5 * 1.4 / length)) / 2)
    assert truth.distance[0, 1].item() == pytest.approx(math.sqrt(2) * 0.2)
    assert truth.lipschitz == pytest.approx(gap / (math.sqrt(2) * 0.2))
    assert truth.lipschitz_within == 0
    low, high = 0.5 * 1.0 - 0.2, 0.5 * 1.0 + 0.2  # integral of t / sqrt(2 + t^2) over [low, high]
    mean = (math.sqrt(2 + high**2) - math.sqrt(2 + low**2)) / 0.4
    assert truth.centres[0, 2].item() == pytest.approx(mean, abs=1e-13)


def test_the_invariant_encoder_gives_all_views_one_embedding():
    images, y = world(0)
    encoder = ShiftEncoder(weight=torch.randn(4, 12, generator=source(2)))
    views = shift_views(images, reach=0.7, num_views=5).unflatten(2, (2, 6))
    for view in views:
        torch.testing.assert_close(encoder(view), encoder(images), rtol=0, atol=1e-12)
    truth = shift_truth(images, y, encoder, reach=0.7)
    assert truth.worst.abs().max().item() == 0
    expected = torch.stack([encoder(images)[y == label].mean(dim=0) for label in range(3)])
    torch.testing.assert_close(truth.centres, expected, rtol=0, atol=1e-12)


def test_the_lipschitz_number_equals_slow_loops_and_no_pair_of_views_is_steeper():
    images, y = world(3, noise=0.5, per_class=3)
    encoder = ShiftEncoder(bias=0.3 * torch.randn(12, generator=source(4)))
    truth = shift_truth(images, y, encoder, reach=0.2)
    h, distance = encoder(images), shift_distance(images, reach=0.2)
    pairs = list(itertools.combinations(range(len(y)), 2))
    slopes = [((h[i] - h[j]).norm() / distance[i, j]).item() for i, j in pairs]
    within = [slope for slope, (i, j) in zip(slopes, pairs, strict=True) if y[i] == y[j]]
    assert truth.lipschitz == pytest.approx(max(slopes), rel=1e-10)
    assert truth.lipschitz_within == pytest.approx(max(within), rel=1e-10)
    views = shift_views(images, reach=0.2, num_views=12)
    for i, j in pairs:
        gap = torch.cdist(views[:, i], views[:, j], compute_mode="donot_use_mm_for_euclid_dist")
        assert ((h[i] - h[j]).norm() / gap).max().item() <= truth.lipschitz * (1 + 1e-9)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), leak=st.floats(0.01, 0.6), channels=st.integers(1, 3))
def test_with_a_leak_no_two_views_are_farther_apart_than_said_and_two_corners_are_as_far(
    seed, leak, channels
):
    images, y = world(seed, channels=channels, per_class=2, pixels=8)
    encoder, reach = ShiftEncoder(leak=leak), 0.5
    truth = shift_truth(images, y, encoder, reach=reach)
    random = (2 * torch.rand(60, len(y), channels, generator=source(seed), dtype=torch.float64) - 1) * reach
    h = torch.stack([encoder(shifted(images, shift)) for shift in random])
    for i in range(len(y)):
        assert torch.cdist(h[:, i], h[:, i]).max().item() <= truth.worst[i].item() + 1e-7
    corners = [
        torch.tensor(signs, dtype=torch.float64).expand(len(y), -1) * reach
        for signs in itertools.product((-1, 1), repeat=channels)
    ]
    ends = [encoder(shifted(images, corner)) for corner in corners]
    reached = torch.stack([(a - b).norm(dim=1) for a in ends for b in ends]).amax(dim=0)
    torch.testing.assert_close(truth.worst, reached, rtol=1e-9, atol=1e-12)


def test_centres_with_a_leak_are_means_over_a_fine_grid_of_shifts():
    images, y = world(5, per_class=2)
    encoder, reach, steps = ShiftEncoder(leak=0.8), 0.5, 60
    line = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps * 2 * reach - reach  # midpoints
    rows = [
        encoder(shifted(images, torch.stack([a, b]).expand(len(y), -1)))
        for a, b in itertools.product(line, line)
    ]
    mean = torch.stack(rows).mean(dim=0)
    expected = torch.stack([mean[y == label].mean(dim=0) for label in range(3)])
    found = shift_truth(images, y, encoder, reach=reach).centres
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_the_bound_is_never_below_the_true_error():
    holding, errors = 0, []
    for seed in range(24):
        noise, leak = (0.0, 0.005, 0.02)[seed % 3], (0.0, 0.01)[seed % 2]
        images, y = world(seed, noise=noise, strays=seed % 5 == 0, per_class=20, pixels=8)
        truth = shift_truth(images, y, ShiftEncoder(leak=leak), reach=0.3)
        for within in (False, True):
            bound = shift_bound(truth, y, within=within, size=5, seconds=0.05).bound
            if bound.holds:
                assert bound.value >= truth.error - 1e-12
                holding += 1
                errors.append(truth.error)
    assert holding >= 10
    assert max(errors) > 0


def test_a_stray_image_is_wrong_and_the_bound_says_exactly_how_many():
    images, y = world(12, noise=0.0, strays=1, per_class=20, pixels=60)
    truth = shift_truth(images, y, ShiftEncoder(), reach=0.3)
    assert truth.error == pytest.approx(1 / 20)
    best = shift_bound(truth, y)
    assert best.bound.holds
    assert (best.sigma, best.delta) == (pytest.approx(0.95), pytest.approx(0, abs=1e-9))
    assert best.bound.value == pytest.approx(1 / 20)


def test_a_coarse_grid_does_not_miss_the_delta_at_which_one_stray_image_is_left_out():
    images, y = world(12, noise=0.001, strays=1, per_class=15, pixels=60)
    truth = shift_truth(images, y, ShiftEncoder(), reach=0.3)
    best = shift_bound(truth, y, size=2)
    assert best.sigma == pytest.approx(14 / 15)
    assert best.bound.holds
    assert best.bound.value == pytest.approx(truth.error) == pytest.approx(1 / 15)


def test_a_leak_makes_r_eps_a_step_between_no_image_and_all():
    images, y = world(7, pixels=8)
    worst = shift_truth(images, y, ShiftEncoder(leak=0.3), reach=0.5).worst
    shares = [(worst > epsilon).double().mean().item() for epsilon in worst.sort().values.tolist()]
    assert shares[0] == pytest.approx(1 - 1 / len(y))
    assert shares[-1] == 0
    assert worst.min().item() < 0.9 * worst.max().item()


def test_estimates_converge_to_the_truth_as_views_grow():
    images, y = world(8, channels=1, per_class=5, pixels=8, noise=0.05)
    encoder, reach = ShiftEncoder(leak=0.2), 0.4
    truth = shift_truth(images, y, encoder, reach=reach)
    gaps = []
    for num_views in (1, 4, 16, 128):
        found = shift_estimate(images, y, encoder, reach=reach, num_views=num_views)
        assert bool((found.distance >= truth.distance - 1e-9).all())
        assert bool((found.worst <= truth.worst + 1e-12).all())
        gaps.append(
            [
                (found.distance - truth.distance).mean().item() / truth.distance.mean().item(),
                (truth.worst - found.worst).mean().item() / truth.worst.mean().item(),
                (found.centres - truth.centres).norm().item(),
                abs(found.lipschitz - truth.lipschitz) / truth.lipschitz,
            ]
        )
    assert gaps[0][1] == pytest.approx(1)
    assert all(last < 0.15 * first + 1e-3 for first, last in zip(gaps[0], gaps[-1], strict=True))
    assert gaps[-1][0] < 0.02
    assert gaps[-1][1] < 0.05
    exact = [
        shift_bound(one, y, size=9).bound.terms["smallest_slack"]
        for one in (truth, shift_estimate(images, y, encoder, reach=reach, num_views=128))
    ]
    assert exact[1] == pytest.approx(exact[0], abs=0.1)


def narrow(share, count, split):
    """Built-in shapes with that share of the range of place, size, tilt and contrast, in any colour."""
    drawn = shape_factors(split, count=count, seed=0, background=0.0)
    middle = {"x": 0.5, "y": 0.5, "size": 0.6, "tilt": 180.0}
    factors = drawn | {name: value + share * (drawn[name] - value) for name, value in middle.items()}
    dark = 0.4 * drawn["background"]
    contrast = 0.6 + share * ((drawn["foreground"] - drawn["background"]).abs() - 0.6)
    factors |= {"background": dark, "background_second": dark, "foreground": dark + contrast}
    return draw_shapes(factors, 16).double().flatten(2) / 255, drawn["shape"]


@pytest.mark.parametrize(("share", "word"), [(0.0, "informative"), (1.0, "vacuous")])
def test_on_rendered_shapes_the_bound_says_something_only_where_poses_hardly_differ(share, word):
    images, y = narrow(share, 64, "test")
    _, shape = ShiftEncoder().parts(images)
    templates = torch.stack([shape[y == label].mean(dim=0) for label in range(8)])
    middle = templates.mean(dim=0)
    weight = torch.linalg.pinv(templates - middle).T
    encoder = ShiftEncoder(weight=weight, bias=-weight @ middle)
    truth = shift_truth(images, y, encoder, reach=0.2)
    assert shift_bound(truth, y, size=5, seconds=0.5).bound.word == word


@settings(derandomize=True, deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_order_of_images_and_a_rotation_of_the_output_change_nothing(seed):
    images, y = world(seed, per_class=3)
    weight = torch.randn(5, 12, generator=source(seed), dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=source(seed + 1), dtype=torch.float64)).Q
    base = shift_truth(images, y, ShiftEncoder(weight=weight, leak=0.05), reach=0.3)
    order = torch.randperm(len(y), generator=source(seed + 2))
    other = shift_truth(images[order], y[order], ShiftEncoder(weight=turn @ weight, leak=0.05), reach=0.3)
    torch.testing.assert_close(other.distance, base.distance[order][:, order])
    torch.testing.assert_close(other.worst, base.worst[order])
    torch.testing.assert_close(other.centres @ other.centres.T, base.centres @ base.centres.T)
    assert other.lipschitz == pytest.approx(base.lipschitz)
    assert other.error == base.error


def test_float32_images_give_the_numbers_of_float64():
    images, y = world(9)
    one = shift_truth(images, y, ShiftEncoder(leak=0.2), reach=0.3)
    other = shift_truth(images.float(), y, ShiftEncoder(leak=0.2), reach=0.3)
    torch.testing.assert_close(other.worst, one.worst, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(other.distance, one.distance, rtol=1e-5, atol=1e-6)
    assert other.lipschitz == pytest.approx(one.lipschitz, rel=1e-4)


def test_images_with_common_views_have_no_slope():
    images = torch.tensor([[[0.0, 1.0]], [[0.3, 1.3]], [[1.0, 0.0]]], dtype=torch.float64)
    truth = shift_truth(images, torch.tensor([0, 0, 1]), ShiftEncoder(leak=0.5), reach=0.2)
    assert truth.lipschitz_within == 0
    assert math.isfinite(truth.lipschitz)


def test_bad_input_is_refused():
    images, y = world(10, per_class=2)
    flat = images.clone()
    flat[3] = 0.5
    with pytest.raises(InputError, match="image 3 maps to zero without its channel means"):
        ShiftEncoder()(flat)
    with pytest.raises(InputError, match="leak=-1"):
        ShiftEncoder(leak=-1.0)(images)
    with pytest.raises(InputError, match="row 0 holds a non-finite value"):
        ShiftEncoder()(images * math.nan)
    with pytest.raises(InputError, match=r"leak times reach is 100.*Choose a smaller leak"):
        shift_truth(images, y, ShiftEncoder(leak=100.0), reach=1.0)
    with pytest.raises(InputError, match="expected at least 2"):
        shift_truth(images, y * 0, ShiftEncoder(), reach=1.0)
    with pytest.raises(InputError, match="reach=inf"):
        shift_truth(images, y, ShiftEncoder(), reach=math.inf)
    with pytest.raises(InputError, match="images with 5 channels"):
        shift_truth(world(11, channels=5)[0], world(11)[1], ShiftEncoder(leak=0.01), reach=0.1)
    with pytest.raises(InputError, match="num_views=0"):
        shift_estimate(images, y, ShiftEncoder(), reach=1.0, num_views=0)
