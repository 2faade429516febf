"""Label-free concentration: neighbourhood curves by loops, spectral gaps of graphs with known spectra."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.theory.concentration import augmentation_graph as module
from contrascope.theory.concentration.augmentation_graph import (
    augmentation_graph_gap,
    neighbourhood_concentration,
    pseudo_concentration,
)
from contrascope.theory.concentration.concentration import concentration


def gaps(seed, n, dim=3):
    rows = torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


@settings(derandomize=True, deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(2, 12), k=st.integers(1, 11))
def test_neighbourhood_curves_equal_loops(seed, n, k):
    k = min(k, n - 1)
    distance = gaps(seed, n)
    deltas = torch.linspace(0, 4, 7, dtype=torch.float64)
    found = neighbourhood_concentration(distance, deltas, k=k)
    for delta, share in zip(deltas.tolist(), found.value.tolist(), strict=True):
        close = [sum(distance[i, j] <= delta for j in range(n) if j != i) >= k for i in range(n)]
        assert share == pytest.approx(sum(close) / n)
    assert found.name.startswith("label-free")


def ring(n):
    place = np.arange(n)
    step = np.abs(place[:, None] - place)
    return torch.from_numpy(np.minimum(step, n - step).astype(np.float64))


@pytest.mark.parametrize("n", [5, 12, 700])
def test_the_gap_of_a_ring_is_that_of_its_known_spectrum(n):
    """Each vertex has a loop and two neighbours: eigenvalues (1 + 2 cos(2 pi j / n)) / 3 of the walk."""
    expected = 2 * (1 - math.cos(2 * math.pi / n)) / 3
    assert augmentation_graph_gap(ring(n), delta=1.0) == pytest.approx(expected, rel=1e-8)


def test_both_ways_to_the_second_eigenvalue_agree(monkeypatch):
    distance = gaps(0, 80)
    dense = augmentation_graph_gap(distance, bandwidth=1.0)
    monkeypatch.setattr(module, "DENSE_MOST", 10)
    assert augmentation_graph_gap(distance, bandwidth=1.0) == pytest.approx(dense, rel=1e-9)


def test_the_gap_of_a_kernel_equals_the_laplacian_written_out():
    distance = gaps(1, 20)
    weight = (-(distance**2) / (2 * 0.7**2)).exp()
    degree = weight.sum(dim=1)
    laplacian = torch.eye(20, dtype=torch.float64) - weight / (degree[:, None] * degree).sqrt()
    expected = torch.linalg.eigvalsh(laplacian)[1].item()
    assert augmentation_graph_gap(distance, bandwidth=0.7) == pytest.approx(expected, abs=1e-12)


def test_two_far_groups_have_no_gap_and_a_bridge_opens_a_small_one():
    line = torch.tensor([0.0, 1.0, 2.0, 10.0, 11.0, 12.0], dtype=torch.float64)
    apart = (line[:, None] - line).abs()
    assert augmentation_graph_gap(apart, delta=2.0) == 0.0
    bridged = augmentation_graph_gap(apart, delta=8.0)
    assert 0 < bridged < 0.5
    assert augmentation_graph_gap(apart, delta=12.0) == pytest.approx(1.0)
    assert augmentation_graph_gap(torch.zeros(1, 1), delta=1.0) == 0.0


def test_equal_images_are_all_connected():
    assert augmentation_graph_gap(torch.zeros(9, 9), bandwidth=1.0) == pytest.approx(1.0)


def test_pseudo_classes_that_equal_the_classes_give_their_concentration():
    centres = 20 * torch.eye(3, dtype=torch.float64).repeat_interleave(12, dim=0)
    h = centres + torch.randn(36, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    distance = torch.cdist(h, h)
    distance = torch.minimum(distance, distance.T)
    deltas = torch.tensor([0.5, 1.5, 3.0], dtype=torch.float64)
    found = pseudo_concentration(distance, h, deltas, k=3)
    truth = concentration(distance, torch.arange(3).repeat_interleave(12), deltas)
    assert found.classes_from.startswith("pseudo-classes: k-means with the given k = 3")
    torch.testing.assert_close(found.lower.sort(dim=0).values, truth.lower.sort(dim=0).values)


def test_bad_input_is_refused():
    distance = gaps(2, 5)
    with pytest.raises(InputError, match="choose 1 <= k <= 4"):
        neighbourhood_concentration(distance, torch.ones(1), k=5)
    with pytest.raises(InputError, match="expected one of them"):
        augmentation_graph_gap(distance)
    with pytest.raises(InputError, match="expected one of them"):
        augmentation_graph_gap(distance, delta=1.0, bandwidth=1.0)
    with pytest.raises(InputError, match="bandwidth=0"):
        augmentation_graph_gap(distance, bandwidth=0.0)
    with pytest.raises(InputError, match="not symmetric"):
        augmentation_graph_gap(torch.triu(distance), delta=1.0)
