import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.intervals import mean_interval, share_interval
from contrascope.theory.factors.alignment import (
    alignment,
    augmentation_robust,
    check_views,
    image_alignment,
    mean_pair,
    pair_distance_blocks,
    r_epsilon,
    r_epsilon_curve,
    unit_views,
    worst_pair,
)


def views(seed=0, shape=(4, 11, 5), dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def slow_distances(h):
    """All pair distances of every image, [n][pairs]."""
    pairs = list(itertools.combinations(range(len(h)), 2))
    return [
        [math.sqrt(sum((a - b) ** 2 for a, b in zip(h[i, x].tolist(), h[j, x].tolist(), strict=True)))
         for i, j in pairs]
        for x in range(h.shape[1])
    ]  # fmt: skip


@pytest.mark.parametrize("exponent", [2.0, 1.0, 3.0, 0.5])
def test_alignment_is_the_mean_over_pairs_and_images(exponent):
    h = views()
    slow = [sum(d**exponent for d in row) / len(row) for row in slow_distances(h)]
    found = image_alignment(h, exponent=exponent)
    torch.testing.assert_close(found, torch.tensor(slow, dtype=torch.float64), rtol=1e-10, atol=1e-10)
    assert alignment(h, exponent=exponent).value == pytest.approx(sum(slow) / len(slow), rel=1e-10)


def test_worst_and_mean_pairs_equal_slow_loops():
    h = views(1)
    slow = slow_distances(h)
    assert worst_pair(h).tolist() == pytest.approx([max(row) for row in slow], rel=1e-10)
    assert mean_pair(h).tolist() == pytest.approx([sum(row) / len(row) for row in slow], rel=1e-10)
    assert augmentation_robust(h).value == pytest.approx(
        sum(max(r) ** 2 for r in slow) / len(slow), rel=1e-10
    )


def test_three_views_on_a_line_by_hand():
    h = torch.tensor([[[0.0]], [[1.0]], [[3.0]]])
    assert alignment(h).value == pytest.approx((1 + 9 + 4) / 3)
    assert alignment(h, exponent=1.0).value == pytest.approx(2.0)
    assert worst_pair(h).item() == 3.0
    assert augmentation_robust(h).value == 9.0


def test_for_unit_vectors_and_two_views_alignment_is_two_minus_two_cosines():
    h = unit_views(views(2, (2, 50, 6)))
    cosine = (h[0] * h[1]).sum(dim=1).mean().item()
    assert alignment(h).value == pytest.approx(2 - 2 * cosine, rel=1e-12)


def test_unit_views_have_norm_one_and_keep_zero_rows():
    h = views(3)
    h[1, 2] = 0
    norms = unit_views(h).norm(dim=2)
    assert norms[1, 2] == 0
    norms[1, 2] = 1
    torch.testing.assert_close(norms, torch.ones_like(norms))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31 - 1), m=st.integers(2, 5), n=st.integers(1, 9), dim=st.integers(1, 6))
def test_order_of_views_and_a_rotation_change_nothing_and_scale_scales(seed, m, n, dim):
    h = views(seed, (m, n, dim))
    rotation = torch.linalg.qr(views(seed + 1, (1, dim, dim))[0]).Q
    moved = h.flip(0) @ rotation + 3
    for exponent in (1.0, 2.0):
        base = image_alignment(h, exponent=exponent)
        torch.testing.assert_close(image_alignment(moved, exponent=exponent), base, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(image_alignment(2 * h, exponent=exponent), 2**exponent * base)
    torch.testing.assert_close(worst_pair(moved), worst_pair(h), rtol=1e-9, atol=1e-11)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31 - 1), m=st.integers(2, 5))
def test_the_robust_loss_is_never_below_alignment_and_grows_with_views(seed, m):
    h = views(seed, (m + 1, 7, 3))
    assert augmentation_robust(h[:m]).value >= alignment(h[:m]).value - 1e-12
    assert augmentation_robust(h).value >= augmentation_robust(h[:m]).value - 1e-12


@pytest.mark.parametrize("block_rows", [1, 3, 100])
def test_the_block_size_changes_nothing(block_rows):
    h = views(4)
    for exponent in (2.0, 1.5):
        blocks = image_alignment(h, exponent=exponent, block_rows=block_rows)
        torch.testing.assert_close(blocks, image_alignment(h, exponent=exponent), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(worst_pair(h, block_rows=block_rows), worst_pair(h), rtol=0, atol=0)


@pytest.mark.parametrize("exponent", [2.0, 1.0, 3.0])
def test_alignment_can_be_differentiated(exponent):
    h = views(5, (3, 2, 2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: image_alignment(x, exponent=exponent), (h,))


def test_float32_far_from_the_origin_agrees_with_float64():
    h = (views(6) * 1e-2 + 100).float()
    exact = torch.tensor(slow_distances(h.double()), dtype=torch.float64)
    torch.testing.assert_close(image_alignment(h), exact.square().mean(dim=1), rtol=1e-9, atol=0)
    torch.testing.assert_close(worst_pair(h), exact.amax(dim=1), rtol=1e-9, atol=0)


def test_equal_views_are_at_distance_exactly_zero():
    h = views(7, (1, 9, 4), torch.float32).expand(3, 9, 4) * 1e4
    assert worst_pair(h).max() == 0
    assert image_alignment(h).max() == 0
    assert alignment(h, exponent=0.25).value == 0
    assert r_epsilon(h, 0.0).value == 0


def test_r_epsilon_counts_images_strictly_beyond_epsilon():
    h = torch.tensor([[[0.0], [0.0], [0.0], [0.0]], [[0.0], [1.0], [2.0], [2.0]]])
    assert [r_epsilon(h, e).value for e in (0.0, 1.0, 1.5, 2.0)] == [0.75, 0.5, 0.5, 0.0]


def test_the_curve_is_the_exact_survival_function():
    h = views(8, (3, 40, 3))
    curve = r_epsilon_curve(h)
    worst = worst_pair(h)
    assert len(curve.epsilons) == 51
    assert curve.share[-1] == 0
    for epsilon, share in zip(curve.epsilons.tolist(), curve.share.tolist(), strict=True):
        assert share == sum(w > epsilon for w in worst.tolist()) / 40 == r_epsilon(h, epsilon).value
        assert curve.at(epsilon) == share
    at_jump = worst[7].item()
    assert curve.at(at_jump) == pytest.approx(curve.at(math.nextafter(at_jump, 0)) - 1 / 40)


def test_intervals_are_over_images_and_the_curve_agrees_with_the_point():
    h = views(9, (3, 60, 3))
    found = alignment(h, draws=100, seed=4)
    expected = mean_interval(image_alignment(h), draws=100, seed=4, key="alignment")
    assert (found.low, found.high) == expected
    assert found.low < found.value < found.high
    curve = r_epsilon_curve(h, torch.tensor([1.0, 2.5]), draws=100)
    point = r_epsilon(h, 2.5, draws=100)
    assert (curve.low[1].item(), curve.high[1].item()) == pytest.approx((point.low, point.high))
    assert (point.low, point.high) == share_interval((worst_pair(h) > 2.5).double())
    assert curve.low[1] < curve.share[1] < curve.high[1]


def test_the_robust_loss_of_the_counter_example_has_the_normal_range():
    """X_2 theta, theta normal: L_AR = eps / 4 * E range^2 while L_align = eps / 2 for any number of views."""
    source = torch.Generator().manual_seed(0)
    x2 = torch.randn(40_000, 1, generator=source, dtype=torch.float64)
    for m, square_range in ((2, 2.00), (3, 3.65), (4, 5.01), (6, 7.15)):
        theta = torch.randn(m, 40_000, 1, generator=source, dtype=torch.float64)
        h = math.sqrt(0.1) / 2 * theta * x2.square().mean().sqrt()
        assert augmentation_robust(h).value == pytest.approx(0.1 / 4 * square_range, rel=0.03)
        assert alignment(h).value == pytest.approx(0.1 / 2, rel=0.03)


def test_one_view_is_refused_and_told_to_embed_more():
    for measure in (image_alignment, worst_pair, alignment, augmentation_robust, r_epsilon_curve):
        with pytest.raises(InputError, match=r"1 view of 3 images.*embed more views"):
            measure(torch.zeros(1, 3, 2))


def test_no_image_no_dimension_and_nan_are_refused():
    with pytest.raises(InputError, match="2 views of 0 images"):
        alignment(torch.zeros(2, 0, 3))
    with pytest.raises(InputError, match="in 0 dimensions"):
        check_views(torch.zeros(2, 3, 0))
    h = views()
    h[2, 5, 1] = math.nan
    with pytest.raises(InputError, match=r"h\[2\]: row 5 holds a non-finite value"):
        alignment(h)
    with pytest.raises(InputError, match=r"h\[2\]: row 5"):
        next(pair_distance_blocks(h))


def test_bad_exponents_and_epsilons_are_refused():
    with pytest.raises(InputError, match="exponent=0"):
        alignment(views(), exponent=0.0)
    with pytest.raises(InputError, match="epsilon=-1"):
        r_epsilon(views(), -1.0)
    with pytest.raises(InputError, match="rising order"):
        r_epsilon_curve(views(), torch.tensor([1.0, 0.5]))
    with pytest.raises(InputError, match="expected distances"):
        r_epsilon_curve(views(), torch.tensor([math.nan, 0.5]))


def test_one_image_is_fine_and_has_an_interval_of_width_zero():
    h = torch.tensor([[[0.0]], [[2.0]]])
    found = alignment(h, draws=10)
    assert (found.value, found.low, found.high) == (4.0, 4.0, 4.0)
