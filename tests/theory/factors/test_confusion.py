"""Average confusion ratio and average relative confusion against slow loops, by hand, and under collapse."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.factors.confusion import (
    average_confusion_ratio,
    average_relative_confusion,
    confused_images,
)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_confused(h):
    """Euclidean distances of unit rows, as the authors compute them."""
    rows = [[[v / math.hypot(*x) for v in x] for x in view] for view in h.tolist()]
    views, count = range(len(rows)), range(len(rows[0]))
    found = []
    for i in count:
        near = {(b, j): math.dist(rows[0][i], rows[b][j]) for b in views for j in count if (b, j) != (0, i)}
        own = min(value for (_, j), value in near.items() if j == i)
        found.append(min(value for (_, j), value in near.items() if j != i) <= own)
    return found


@pytest.mark.parametrize("views", [2, 3, 5])
@pytest.mark.parametrize("chunk_rows", [1, 4, 100])
def test_it_equals_slow_loops_for_any_chunk(views, chunk_rows):
    h = normal(0, 1, 25, 3) + 0.5 * normal(1, views, 25, 3)
    expected = slow_confused(h)
    assert 0 < sum(expected) < 25
    assert confused_images(h, chunk_rows=chunk_rows).tolist() == expected
    found = average_confusion_ratio(h, chunk_rows=chunk_rows).value
    assert found == pytest.approx(sum(expected) / 25, abs=1e-12)


def test_by_hand_view_0_is_the_query_and_all_views_of_others_are_candidates():
    degrees = torch.tensor([[0.0, 90.0, 180.0], [20.0, 10.0, 170.0]]).deg2rad()
    h = torch.stack([degrees.cos(), degrees.sin()], dim=2)
    assert confused_images(h).tolist() == [True, True, False]  # 10 is nearer to 0 than 20; 20 to 90 than 10
    assert average_confusion_ratio(h).value == pytest.approx(2 / 3)


def test_the_best_of_several_own_views_counts():
    degrees = torch.tensor([[0.0, 90.0], [80.0, 85.0], [5.0, 60.0]]).deg2rad()
    h = torch.stack([degrees.cos(), degrees.sin()], dim=2)
    assert confused_images(h).tolist() == [False, False]
    assert confused_images(h[:2]).tolist() == [False, False]
    assert confused_images(h[[0, 2]]).tolist() == [False, False]
    assert confused_images(h[[1, 0, 2]]).tolist() == [True, True]


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_features_are_wholly_confused(value, dtype):
    assert average_confusion_ratio(torch.full((3, 200, 7), value, dtype=dtype)).value == 1


def test_features_on_a_line_are_wholly_confused():
    assert average_confusion_ratio((normal(2, 50, 1) * normal(3, 1, 5)).expand(2, 50, 5)).value == 1


def test_features_at_k_points_are_confused_unless_a_point_holds_one_image():
    points = torch.eye(6, dtype=torch.float64)
    assert average_confusion_ratio(points.repeat(5, 1).expand(2, -1, -1)).value == 1
    assert average_confusion_ratio(points.expand(2, -1, -1)).value == 0


def test_views_without_relation_are_confused_but_for_chance():
    """Uniform law, independent views: the nearest of the 2n - 1 others is the own view with chance 1 / (2n - 1)."""
    found = average_confusion_ratio(normal(4, 2, 1000, 6)).value
    assert 0.995 < found < 1


def test_relative_confusion_is_the_ratio_of_clear_shares():
    final = normal(5, 1, 80, 4) + 0.2 * normal(6, 3, 80, 4)
    initial = normal(7, 1, 80, 9) + 0.9 * normal(8, 3, 80, 9)
    clear = [1 - sum(slow_confused(h)) / 80 for h in (final, initial)]
    assert clear[0] != clear[1]
    found = average_relative_confusion(final, initial)
    assert found.value == pytest.approx(clear[0] / clear[1], abs=1e-12)
    assert found.low == found.high == found.value
    same = average_relative_confusion(final, final, draws=50)  # the errors of both are one
    assert 0.95 < same.low < 1 < same.high < 1.05


def test_relative_confusion_of_wholly_confused_encoders_is_decided():
    clear, lost = torch.eye(4).expand(2, 4, 4), torch.ones(2, 4, 3)
    assert average_relative_confusion(clear, lost).value == math.inf
    assert average_relative_confusion(lost, lost).value == 1
    assert average_relative_confusion(lost, clear).value == 0
    found = average_relative_confusion(clear, lost, draws=20)
    assert 1 < found.low < found.high == math.inf


def test_intervals_hold_the_value_and_have_the_width_of_their_law():
    h = normal(9, 1, 500, 5) + 0.5 * normal(10, 2, 500, 5)
    found = average_confusion_ratio(h, draws=800)
    assert found.low < found.value < found.high
    width = 2 * 1.96 * math.sqrt(found.value * (1 - found.value) / 500)
    assert found.high - found.low == pytest.approx(width, rel=0.15)
    worse = h + 0.3 * normal(11, 2, 500, 5)
    ratio = average_relative_confusion(h, worse, draws=800)
    assert ratio.low < ratio.value < ratio.high
    a, b = (1 - confused_images(x).double() for x in (h, worse))
    spread = ((a - ratio.value * b) / b.mean()).std().item() / math.sqrt(500)  # delta method, paired
    assert ratio.high - ratio.low == pytest.approx(2 * 1.96 * spread, rel=0.2)


def test_above_max_images_a_fixed_sample_stands_for_all():
    h = normal(12, 1, 60, 3) + 0.4 * normal(13, 2, 60, 3)
    sampled = confused_images(h, max_images=20)
    assert len(sampled) == 20
    assert torch.equal(sampled, confused_images(h, max_images=20, chunk_rows=3))
    assert len(confused_images(h, max_images=60)) == 60


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), views=st.integers(2, 4), count=st.integers(2, 12), dim=st.integers(2, 6))
def test_order_rotation_and_length_change_nothing(seed, views, count, dim):
    h = normal(seed, views, count, dim)
    source = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=source)
    others = torch.cat([torch.tensor([0]), 1 + torch.randperm(views - 1, generator=source)])
    turn = torch.linalg.qr(normal(seed + 1, dim, dim)).Q
    moved = (h * (0.1 + normal(seed + 2, views, count, 1).abs()))[others][:, order] @ turn
    assert torch.equal(confused_images(h)[order], confused_images(moved, chunk_rows=3))


def test_float32_gives_the_same_answer_as_its_float64_copy():
    h = (normal(14, 1, 300, 32) + normal(15, 2, 300, 32)).float()
    assert torch.equal(confused_images(h), confused_images(h.double()))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: confused_images(torch.ones(1, 9, 3)), r"shape \[1, 9, 3\]; .* at least 2 views"),
        (lambda: confused_images(torch.ones(2, 1, 3)), "at least 2 views of each of 2 images"),
        (lambda: confused_images(torch.full((2, 3, 1), math.nan)), "row 0 holds a non-finite value"),
        (lambda: confused_images(torch.ones(2, 3, 1), max_images=1), "max_images=1"),
        (lambda: average_relative_confusion(torch.ones(2, 3, 1), torch.ones(2, 3, 1), draws=1), "draws is 1"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(InputError, match=words):
        call()
