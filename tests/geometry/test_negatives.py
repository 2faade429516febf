"""Nearest negatives against brute force; distances, displacements and label sharing by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.geometry.negatives import (
    chance_sharing,
    displacements,
    label_sharing,
    nearest_negatives,
    negative_distances,
)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 10_000), views=st.integers(1, 3), n=st.integers(2, 15))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_the_nearest_negative_is_that_of_a_search_over_all_pairs(seed, views, n):
    z = normal(seed, views, n, 3)
    found = nearest_negatives(z)
    for i in range(n):
        cosines = {
            (v, j): torch.cosine_similarity(z[0, i], z[v, j], dim=0).item()
            for v in range(views)
            for j in range(n)
            if j != i
        }
        best = max(cosines, key=lambda key: cosines[key])
        assert (int(found.view[i]), int(found.image[i])) == best
        assert found.similarity[i].item() == pytest.approx(cosines[best], abs=1e-12)


def test_its_own_views_are_no_negatives_even_where_they_are_equal():
    z = torch.eye(4, dtype=torch.float64)[None].expand(3, 4, 4)
    found = nearest_negatives(z)
    assert bool((found.image != torch.arange(4)).all())
    assert found.similarity.tolist() == [0.0] * 4
    assert found.image.tolist() == [1, 0, 0, 0]
    assert found.view.tolist() == [0, 0, 0, 0]


def test_displacements_run_from_the_negative_of_the_projector_to_the_second_view():
    z = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], [[1.0, 0.0], [0.9, 0.2], [0.1, 1.0]]])
    h = torch.arange(6.0).view(2, 3, 1)
    found = nearest_negatives(z)
    expected = [(h[1, i] - h[found.view[i], found.image[i]]).item() for i in range(3)]
    assert displacements(h, found).flatten().tolist() == expected
    assert found.image.tolist()[:2] == [1, 0]


def test_label_sharing_counts_and_chance_is_that_of_random_pairs():
    z = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]])
    negatives = nearest_negatives(z)
    assert label_sharing(negatives, torch.tensor([0, 0, 1, 1])).value == 1.0
    assert label_sharing(negatives, torch.tensor([0, 1, 0, 1])).value == 0.0
    assert label_sharing(negatives, torch.tensor([0, 0, 1, 2])).value == 0.5
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    pairs = [(a, b) for a in range(6) for b in range(6) if a != b]
    share = sum(int(labels[a] == labels[b]) for a, b in pairs) / len(pairs)
    assert chance_sharing(labels) == pytest.approx(share, abs=1e-12)


def test_the_interval_of_label_sharing_holds_its_value():
    z = normal(0, 2, 80, 4)
    found = label_sharing(nearest_negatives(z), torch.arange(80) % 2, draws=100)
    assert found.low < found.value < found.high


def test_distances_in_both_scales_are_those_by_hand():
    h = torch.tensor([[[3.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    negatives = nearest_negatives(h)
    assert negative_distances(h, negatives, scale="unit").tolist() == pytest.approx([math.sqrt(2)] * 2)
    variance = 1.5**2 + 0.5**2
    expected = math.sqrt(10) / math.sqrt(2 * variance)
    assert negative_distances(h, negatives, scale="spread").tolist() == pytest.approx([expected] * 2)


def test_distance_in_units_of_the_spread_forgets_scale_and_shift():
    h = normal(1, 2, 30, 5)
    negatives = nearest_negatives(h)
    before = negative_distances(h, negatives, scale="spread")
    assert torch.allclose(negative_distances(7 * h + 3, negatives, scale="spread"), before, atol=1e-10)


def test_constant_features_are_at_distance_0():
    h = torch.ones(2, 5, 3)
    negatives = nearest_negatives(h)
    for scale in ("unit", "spread"):
        assert negative_distances(h, negatives, scale=scale).tolist() == [0.0] * 5


def test_float32_finds_the_negatives_of_float64():
    z = normal(2, 2, 200, 8)
    assert torch.equal(nearest_negatives(z).image, nearest_negatives(z.float()).image)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="at least 2 images"):
        nearest_negatives(torch.ones(2, 1, 3))
    with pytest.raises(InputError, match="non-finite"):
        nearest_negatives(torch.full((1, 3, 2), math.inf))
    negatives = nearest_negatives(torch.ones(2, 4, 3))
    with pytest.raises(InputError, match="got 1 view"):
        displacements(torch.ones(1, 4, 3), negatives)
    with pytest.raises(InputError, match="h has 3 images and there are 4 negatives"):
        displacements(torch.ones(2, 3, 3), negatives)
    with pytest.raises(InputError, match="got 3 labels for 4 images"):
        label_sharing(negatives, torch.tensor([0, 1, 2]))
