"""Instance retrieval against slow loops, ties, and what it says about each kind of collapse."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.factors.retrieval import instance_retrieval


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))


def slow_ranks(h, a, b):
    query, gallery = h[a].tolist(), h[b].tolist()
    ranks = []
    for i, x in enumerate(query):
        own = cosine(x, gallery[i])
        ranks.append(1 + sum(cosine(x, y) >= own - 1e-12 for j, y in enumerate(gallery) if j != i))
    return ranks


@pytest.mark.parametrize("pairs", [1, 2, 3])
@pytest.mark.parametrize("chunk_rows", [1, 4, 100])
def test_it_equals_slow_loops_for_any_chunk(pairs, chunk_rows):
    h = normal(0, 1, 15, 3) + 0.7 * normal(1, 3, 15, 3)
    found = instance_retrieval(h, k=(1, 2, 5), pairs=pairs, chunk_rows=chunk_rows)
    ranks = [slow_ranks(h, a, (a + 1) % 3) for a in range(pairs)]
    mean = [sum(per_pair[i] for per_pair in ranks) / pairs for i in range(15)]
    assert found.rank.tolist() == pytest.approx(mean, abs=1e-12)
    for k in (1, 2, 5):
        share = sum(rank <= k for per_pair in ranks for rank in per_pair) / (15 * pairs)
        assert found.recall[k].value == pytest.approx(share, abs=1e-12)
    ordered = sorted(mean)
    assert found.median_rank == ordered[7]
    assert found.rank_90 == pytest.approx(ordered[12] + 0.6 * (ordered[13] - ordered[12]), abs=1e-12)


def test_by_hand_three_images_of_which_one_is_found_second():
    degrees = torch.tensor([[0.0, 90.0, 200.0], [10.0, 40.0, 190.0]]).deg2rad()
    h = torch.stack([degrees.cos(), degrees.sin()], dim=2)
    found = instance_retrieval(h, k=(1, 2))
    assert found.rank.tolist() == [1, 1, 1]
    back = instance_retrieval(h.flip(0), k=(1, 2))  # 40 degrees is nearer to 0 than to 90
    assert back.rank.tolist() == [1, 2, 1]
    assert (back.recall[1].value, back.recall[2].value) == (pytest.approx(2 / 3), 1)
    both = instance_retrieval(h, k=(1,), pairs=2)
    assert both.rank.tolist() == [1, 1.5, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_features_find_nothing(dtype):
    found = instance_retrieval(torch.full((2, 300, 7), 0.1, dtype=dtype), k=(1, 299, 300), chunk_rows=77)
    assert found.rank.tolist() == [300] * 300
    assert [found.recall[k].value for k in (1, 299, 300)] == [0, 0, 1]


def test_zero_features_find_nothing():
    assert instance_retrieval(torch.zeros(2, 9, 3)).recall[5].value == 0


def test_features_on_a_line_find_nothing_but_the_half_on_their_side():
    line = normal(2, 60, 1)
    found = instance_retrieval((line * normal(3, 1, 5)).expand(2, 60, 5))
    sides = [(line > 0).sum().item(), (line < 0).sum().item()]
    assert found.rank.tolist() == [sides[0] if value > 0 else sides[1] for value in line.flatten().tolist()]


@pytest.mark.parametrize("clusters", [2, 6])
def test_features_at_k_points_leave_all_images_of_the_point_tied(clusters):
    h = torch.eye(8)[:clusters].repeat(10, 1).expand(2, -1, -1)
    found = instance_retrieval(h, k=(1, 9, 10))
    assert found.rank.tolist() == [10] * (10 * clusters)
    assert [found.recall[k].value for k in (1, 9, 10)] == [0, 0, 1]


def test_a_copy_of_one_image_costs_only_these_two():
    h = normal(4, 20, 6).expand(2, 20, 6).clone()
    h[:, 7] = 3 * h[:, 2]
    found = instance_retrieval(h)
    assert found.rank.tolist() == [2 if i in (2, 7) else 1 for i in range(20)]


def test_views_without_relation_are_found_by_chance():
    """Uniform law, independent views: recall at k is k / n on average."""
    h = normal(5, 2, 2000, 8)
    found = instance_retrieval(h, k=(1, 500), pairs=2)
    assert found.recall[500].value == pytest.approx(0.25, abs=0.03)
    assert found.recall[1].value < 0.004
    assert found.median_rank == pytest.approx(1000, abs=60)


def test_the_interval_is_over_images_and_pairs_of_one_image_stay_together():
    h = normal(6, 1, 400, 4) + 0.8 * normal(7, 2, 400, 4)
    one = instance_retrieval(h, draws=500).recall[1]
    assert one.low < one.value < one.high
    width = 2 * 1.96 * math.sqrt(one.value * (1 - one.value) / 400)
    assert one.high - one.low == pytest.approx(width, rel=0.15)
    same = h[:1].expand(2, 400, 4) + 0.8 * normal(8, 1, 400, 4).expand(2, 400, 4)
    pair = instance_retrieval(torch.stack([same[0], h[1]]), pairs=2, draws=500).recall[1]
    single = instance_retrieval(torch.stack([same[0], h[1]]), pairs=1, draws=500).recall[1]
    assert pair.high - pair.low > 0.75 * (single.high - single.low)  # not narrower by sqrt(2)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), views=st.integers(2, 4), count=st.integers(2, 12), dim=st.integers(2, 6))
def test_order_of_images_rotation_and_length_change_nothing(seed, views, count, dim):
    h = normal(seed, views, count, dim)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    turn = torch.linalg.qr(normal(seed + 1, dim, dim)).Q
    moved = (h * (0.1 + normal(seed + 2, views, count, 1).abs()))[:, order] @ turn
    a = instance_retrieval(h, pairs=views)
    b = instance_retrieval(moved, pairs=views, chunk_rows=3)
    torch.testing.assert_close(a.rank[order], b.rank)


def test_float32_gives_the_same_ranks_as_its_float64_copy():
    h = (normal(9, 1, 300, 32) + normal(10, 2, 300, 32)).float()
    assert torch.equal(instance_retrieval(h).rank, instance_retrieval(h.double()).rank)
    assert torch.equal(instance_retrieval(h, chunk_rows=7).rank, instance_retrieval(h).rank)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: instance_retrieval(torch.ones(1, 9, 3)), r"shape \[1, 9, 3\]; .* at least 2 views"),
        (lambda: instance_retrieval(torch.ones(2, 1, 3)), "at least 2 views of each of 2 images"),
        (lambda: instance_retrieval(torch.full((2, 3, 1), math.nan)), "row 0 holds a non-finite value"),
        (lambda: instance_retrieval(torch.ones(2, 3, 1), pairs=3), "pairs=3, .* <= views=2"),
        (lambda: instance_retrieval(torch.ones(2, 3, 1), k=(0,)), "every k >= 1"),
        (lambda: instance_retrieval(torch.ones(2, 3, 1), k=()), "every k >= 1"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(InputError, match=words):
        call()
