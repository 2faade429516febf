"""Closest views against loops; cliques are cliques, and as large as the largest on small graphs."""

from itertools import combinations

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.concentration.cliques import closest_view_distances, greedy_clique, unit_images
from contrascope.theory.factors.alignment import unit_views


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def largest_clique(near):
    n = len(near)
    for size in range(n, 0, -1):
        for members in combinations(range(n), size):
            if all(near[a][b] for a, b in combinations(members, 2)):
                return size
    return 0


@pytest.mark.parametrize("block_floats", [1, 50, 1 << 20])
def test_closest_views_equal_slow_loops(block_floats):
    h = unit_views(normal(0, 3, 7, 4))
    found = closest_view_distances(h.transpose(0, 1), block_floats=block_floats)
    for i in range(7):
        for j in range(7):
            gaps = [(h[a, i] - h[b, j]).norm().item() for a in range(3) for b in range(3)]
            assert found[i, j].item() == pytest.approx(0.0 if i == j else min(gaps), abs=1e-10)


def test_a_shared_view_is_at_distance_zero():
    h = unit_views(normal(1, 2, 2, 5))
    h[1, 1] = h[0, 0]
    assert closest_view_distances(h.transpose(0, 1))[0, 1].item() == pytest.approx(0.0, abs=1e-7)


def test_greedy_cliques_are_cliques_and_nearly_always_the_largest():
    equal = 0
    for seed in range(60):
        points = normal(seed, 11, 2)
        distance = torch.cdist(points, points)
        delta = distance.flatten().quantile(0.2 + 0.01 * seed).item()
        members = greedy_clique(distance, delta)
        assert distance[members][:, members].max().item() <= delta
        best = largest_clique((distance <= delta).tolist())
        assert len(members) >= best - 2
        equal += len(members) == best
    assert equal >= 50


def test_all_images_within_delta_are_one_clique_and_none_within_is_one_image():
    distance = torch.cdist(normal(3, 6, 2), normal(3, 6, 2))
    assert greedy_clique(distance, distance.max().item()).tolist() == list(range(6))
    assert len(greedy_clique(distance + 1 - torch.eye(6), 0.5)) == 1


def test_bad_distances_and_zero_rows_are_refused():
    with pytest.raises(InputError, match="distances of 0 images"):
        greedy_clique(torch.zeros(0, 0), 1.0)
    with pytest.raises(InputError, match="delta of at least 0"):
        greedy_clique(torch.zeros(2, 2), -1.0)
    with pytest.raises(InputError, match="row of norm zero"):
        unit_images(torch.zeros(2, 3, 4), torch.tensor([1]))
