"""Pieces of small ReLU networks against dense sampling, Jacobians, and pictures that can be counted by hand."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.geometry.local import _tall, local_frames, local_jacobians
from contrascope.geometry.regions import (
    AffineLayer,
    activation_patterns,
    distinct_patterns,
    local_map,
    local_maps,
    path_pieces,
    regions,
)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def network(seed, *widths):
    return [
        AffineLayer(weight=normal(seed + 2 * k, out, width), bias=normal(seed + 2 * k + 1, out))
        for k, (width, out) in enumerate(itertools.pairwise(widths))
    ]


def forward(layers, rows):
    for layer in layers[:-1]:
        rows = torch.relu(rows @ layer.weight.T + layer.bias)
    return rows @ layers[-1].weight.T + layers[-1].bias


def middles(layers, start, end, places=20_000):
    """Patterns at the middles of many short stretches of a line."""
    share = (torch.arange(places, dtype=torch.float64)[:, None] + 0.5) / places
    return activation_patterns(layers, torch.lerp(start, end, share))


@pytest.mark.parametrize("widths", [(2, 5, 4, 2), (2, 6, 6, 2)])
def test_units_that_are_all_off_make_no_pieces_of_rounding_where_there_are_no_biases(widths):
    for seed in range(0, 100, 10):
        layers = [
            AffineLayer(weight=layer.weight, bias=torch.zeros_like(layer.bias))
            for layer in network(seed, *widths)
        ]
        start, end = normal(seed + 7, 1, 2), normal(seed + 8, 1, 2)
        seen = middles(layers, start[0], end[0])
        changes = 1 + int((seen[1:] != seen[:-1]).any(dim=1).sum())
        assert path_pieces(layers, start, end).item() == changes, seed


def test_local_maps_are_the_jacobians_and_serve_in_their_place():
    layers, points = network(3, 6, 9, 8, 4), normal(4, 12, 6)
    maps = torch.cat([block for _, block in local_maps(layers, points)])
    jacobians = torch.cat([block for _, block in local_jacobians(lambda rows: forward(layers, rows), points)])
    assert torch.allclose(maps, jacobians, atol=1e-12)
    for one, other in zip(
        local_frames(layers, points), local_frames(lambda rows: forward(layers, rows), points), strict=True
    ):
        assert torch.allclose(one.values, other.values, atol=1e-6)  # square roots of eigenvalues
        assert torch.allclose(one.space @ one.space.T, other.space @ other.space.T, atol=1e-9)


@pytest.mark.parametrize("widths", [(6, 4, 9), (6, 8, 5, 7), (6, 7), (5, 9, 4, 5)])
def test_frames_from_the_last_layer_s_gram_matrix_are_those_of_the_jacobian(widths):
    layers = network(20, *widths)
    assert _tall(layers)
    points = normal(21, 9, widths[0])
    slow = local_frames(lambda rows: forward(layers, rows), points)
    for ours, by_jacobian in zip(local_frames(layers, points), slow, strict=True):
        assert torch.allclose(ours.values, by_jacobian.values, atol=1e-6)  # square roots of eigenvalues
        assert ours.space.shape == by_jacobian.space.shape
        projections = (ours.space @ ours.space.T, by_jacobian.space @ by_jacobian.space.T)
        assert torch.allclose(*projections, atol=1e-7)


@pytest.mark.parametrize("widths", [(3, 4), (3, 6, 2), (3, 5, 5, 2), (3, 4, 4, 4, 2)])
def test_pieces_of_a_line_are_the_pattern_changes_seen_by_dense_sampling(widths):
    layers = network(0, *widths)
    start, end = normal(20, 6, 3), normal(21, 6, 3)
    found = path_pieces(layers, start, end)
    along = torch.linspace(0, 1, 200_001, dtype=torch.float64)[:, None]
    for pieces, one, other in zip(found.tolist(), start, end, strict=True):
        patterns = activation_patterns(layers, torch.lerp(one, other, along))
        assert pieces == 1 + int((patterns[1:] != patterns[:-1]).any(dim=1).sum())


@pytest.mark.parametrize("widths", [(4, 3), (4, 7, 3), (4, 6, 6, 3)])
def test_the_local_map_is_the_jacobian(widths):
    layers, points = network(1, *widths), normal(22, 12, 4)
    jacobians = torch.cat([block for _, block in local_jacobians(lambda rows: forward(layers, rows), points)])
    for pattern, jacobian in zip(activation_patterns(layers, points), jacobians, strict=True):
        assert torch.allclose(local_map(layers, pattern), jacobian, atol=1e-12)


def test_a_linear_network_is_one_piece_of_full_dimension():
    found = regions(network(2, 5, 3), normal(23, 10, 5), normal(24, 10, 5))
    assert (found.points, found.distinct, found.dimension) == (10, 1, 3.0)
    assert found.crossed.tolist() == [1.0] * 10


def test_known_spectra_take_the_place_of_the_local_maps():
    layers, first, second = network(2, 5, 9, 8, 3), normal(23, 10, 5), normal(24, 10, 5)
    frames = [frame.values for frame in local_frames(layers, first)]
    asked, known = regions(layers, first, second), regions(layers, first, second, spectra=frames)
    assert (known.dimension, known.crossed.tolist()) == (asked.dimension, asked.crossed.tolist())
    flat = [torch.zeros_like(values) for values in frames]
    assert regions(layers, first, second, spectra=flat).dimension == 0.0
    with pytest.raises(InputError, match="9 spectra for 10 points"):
        regions(layers, first, second, spectra=frames[:9])


def test_the_quadrants_of_the_plane_are_counted():
    axes = AffineLayer(weight=torch.eye(2).double(), bias=torch.zeros(2).double())
    corners = torch.tensor([[1.0, 1.0], [2.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]).double()
    assert distinct_patterns(activation_patterns([axes, axes], corners)) == 4
    ends = corners[[0, 2, 3, 3, 4]]
    found = regions([axes, axes], corners, ends)
    assert found.crossed.tolist() == [1.0, 2.0, 2.0, 1.0, 1.0]
    assert found.size.tolist() == pytest.approx([0.0, 3 / 2, 2 / 2, 0.0, 0.0])
    assert found.dimension == pytest.approx((2 + 2 + 1 + 0 + 1) / 5)
    through_the_origin = path_pieces([axes, axes], corners[:1], corners[3:4])
    assert through_the_origin.tolist() == [2]


@given(seed=st.integers(0, 10_000), units=st.integers(1, 40))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_distinct_patterns_are_those_of_a_set(seed, units):
    patterns = torch.rand(60, units, generator=torch.Generator().manual_seed(seed)) < 0.1
    assert distinct_patterns(patterns) == len({tuple(row) for row in patterns.tolist()})
    order = torch.randperm(60, generator=torch.Generator().manual_seed(seed))
    assert distinct_patterns(patterns[order]) == distinct_patterns(patterns)


@pytest.mark.parametrize("chunk_rows", [1, 7])
def test_chunks_change_no_pattern(chunk_rows):
    layers, points = network(3, 4, 6, 6, 2), normal(25, 20, 4)
    whole = activation_patterns(layers, points)
    assert torch.equal(activation_patterns(layers, points, chunk_rows=chunk_rows), whole)


@given(seed=st.integers(0, 1000))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_scaling_a_layer_and_walking_back_crosses_the_same_pieces(seed):
    layers, start, end = network(seed, 3, 5, 4, 2), normal(seed + 50, 4, 3), normal(seed + 51, 4, 3)
    there = path_pieces(layers, start, end)
    assert torch.equal(path_pieces(layers, end, start), there)
    first = AffineLayer(weight=3 * layers[0].weight, bias=3 * layers[0].bias)
    second = AffineLayer(weight=layers[1].weight / 3, bias=layers[1].bias)
    assert torch.equal(path_pieces([first, second, layers[2]], start, end), there)


def test_float32_layers_have_the_pieces_of_float64():
    layers, start, end = network(4, 3, 8, 2), normal(26, 5, 3), normal(27, 5, 3)
    single = [AffineLayer(weight=layer.weight.float(), bias=layer.bias.float()) for layer in layers]
    assert torch.equal(path_pieces(single, start.float(), end.float()), path_pieces(layers, start, end))


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="no layer"):
        activation_patterns([], torch.ones(2, 3))
    with pytest.raises(InputError, match="layer 0 takes 4 features and gets 3"):
        activation_patterns(network(0, 4, 2), torch.ones(2, 3).double())
    with pytest.raises(InputError, match="expected pairs"):
        path_pieces(network(0, 3, 2), torch.ones(2, 3).double(), torch.ones(1, 3).double())
