"""Ranks of matrices and local Jacobians, against numpy and against the exact pieces of a ReLU network."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.geometry.local import (
    local_jacobians,
    local_spectra,
    local_unexplained,
    outside,
    row_spaces,
)
from contrascope.geometry.rank import local_rank, matrix_rank, rank_at
from contrascope.geometry.spans import column_space, unexplained


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def of_rank(seed, rows, columns, rank):
    return normal(seed, rows, rank) @ normal(seed + 1, rank, columns)


def mlp(seed, *widths):
    weights = [
        normal(seed + k, out, width) / math.sqrt(width)
        for k, (width, out) in enumerate(itertools.pairwise(widths))
    ]

    def function(rows):
        for weight in weights[:-1]:
            rows = torch.relu(rows @ weight.to(rows.dtype).T)
        return rows @ weights[-1].to(rows.dtype).T

    return weights, function


@given(seed=st.integers(0, 10_000), rank=st.integers(1, 5))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_relative_rank_is_that_of_numpy_and_forgets_scale(seed, rank):
    matrix = of_rank(seed, 9, 6, rank)
    expected = int(np.linalg.matrix_rank(matrix.numpy(), tol=1e-8 * np.linalg.norm(matrix.numpy(), 2)))
    for scale in (1.0, 1e-4, 1e4):
        found = matrix_rank(scale * matrix, absolute=0.5, relative=1e-8)
        assert found.relative == expected == rank
    assert matrix_rank(1e-12 * matrix, absolute=0.5).absolute == 0


def test_ranks_of_known_singular_values():
    matrix = torch.diag(torch.tensor([4.0, 2.0, 1.0, 0.039]))
    found = matrix_rank(matrix, absolute=1.0, relative=1e-2)
    assert (found.absolute, found.relative) == (3, 3)
    assert found.singular_values.tolist() == pytest.approx([4.0, 2.0, 1.0, 0.039], abs=1e-6)
    assert matrix_rank(torch.eye(5), absolute=1.0).effective == pytest.approx(5.0)
    shares = torch.tensor([0.75, 0.25])
    expected = math.exp(-(shares * shares.log()).sum().item())
    assert matrix_rank(torch.diag(torch.tensor([3.0, 1.0])), absolute=1.0).effective == pytest.approx(
        expected
    )


def test_a_zero_matrix_has_no_rank():
    found = matrix_rank(torch.zeros(3, 2), absolute=1.0)
    assert (found.absolute, found.relative, found.effective) == (0, 0, 0.0)


def test_jacobians_equal_central_differences():
    _, function = mlp(0, 5, 7, 3)
    points = normal(9, 4, 5)
    found = torch.cat([block for _, block in local_jacobians(function, points, chunk_rows=3)])
    step = 1e-6
    for axis in range(5):
        move = step * torch.eye(5, dtype=torch.float64)[axis]
        slow = (function(points + move) - function(points - move)) / (2 * step)
        assert torch.allclose(found[:, :, axis], slow, atol=1e-7)


@pytest.mark.parametrize("chunk_rows", [1, 4, 100])
def test_spectra_are_those_of_numpy_for_any_chunk(chunk_rows):
    weights, function = mlp(1, 6, 8, 4)
    points = normal(2, 9, 6)
    found = local_spectra(function, points, chunk_rows=chunk_rows)
    for point, values in zip(points, found, strict=True):
        active = (weights[0] @ point > 0).double()
        exact = np.linalg.svd((weights[1] * active @ weights[0]).numpy(), compute_uv=False)
        assert values.tolist() == pytest.approx(exact.tolist(), abs=1e-10)


def test_the_local_rank_of_a_linear_map_is_the_rank_of_its_matrix_everywhere():
    matrix = of_rank(3, 4, 7, 2)
    whole = matrix_rank(matrix, absolute=0.5, relative=1e-6)
    found = local_rank(lambda rows: rows @ matrix.T, normal(4, 5, 7), absolute=0.5, relative=1e-6)
    assert found.relative.tolist() == [2] * 5 == [whole.relative] * 5
    assert found.absolute.tolist() == [whole.absolute] * 5
    assert found.effective.tolist() == pytest.approx([whole.effective] * 5, abs=1e-6)


def test_what_the_jacobian_does_not_see_is_what_least_squares_leaves():
    _, function = mlp(5, 6, 4, 3)
    points, moved = normal(6, 8, 6), normal(7, 8, 6)
    jacobians = torch.cat([block for _, block in local_jacobians(function, points)])
    left = 0.0
    for jacobian, row in zip(jacobians.numpy(), moved.numpy(), strict=True):
        fit, *_ = np.linalg.lstsq(jacobian.T, row, rcond=1e-4)
        left += float(((row - jacobian.T @ fit) ** 2).sum())
    ours = local_unexplained(function, points, moved, chunk_rows=3).unexplained
    assert ours == pytest.approx(left / float((moved**2).sum()), abs=1e-8)


def test_for_a_linear_projector_local_and_global_shares_agree():
    matrix, moved = normal(8, 6, 2), normal(9, 20, 6)
    local = local_unexplained(lambda rows: rows @ matrix, normal(10, 20, 6), moved).unexplained
    assert local == pytest.approx(unexplained(moved, column_space(matrix)), abs=1e-9)


@pytest.mark.parametrize("widths", [(6, 9, 3), (6, 9, 14)])
def test_row_spaces_are_orthonormal_and_hold_the_jacobian_of_their_point(widths):
    _, function = mlp(18, *widths)
    points = normal(19, 7, 6)
    spaces = row_spaces(function, points, chunk_rows=3)
    blocks = torch.cat([block for _, block in local_jacobians(function, points)])
    for basis, jacobian in zip(spaces, blocks, strict=True):
        rank = basis.shape[1]
        assert rank == torch.linalg.matrix_rank(jacobian, rtol=1e-4)
        assert torch.allclose(basis.T @ basis, torch.eye(rank).double(), atol=1e-9)
        assert torch.allclose(jacobian @ basis @ basis.T, jacobian, atol=1e-9)


def test_random_displacements_are_unexplained_as_often_as_chance_says():
    _, function = mlp(15, 12, 9, 7)
    some = local_unexplained(function, normal(16, 4000, 12), normal(17, 4000, 12))
    assert 0.3 < some.chance < 0.95
    assert some.unexplained == pytest.approx(some.chance, abs=0.02)


def test_a_dead_projector_sees_nothing_and_still_rows_leave_nothing():
    points = normal(11, 3, 4)
    nothing = local_unexplained(lambda rows: 0 * rows, points, points)
    assert (nothing.unexplained, nothing.chance) == (pytest.approx(1.0), 1.0)
    still = local_unexplained(lambda rows: rows, points, 0 * points)
    assert (still.unexplained, still.chance) == (0.0, 0.0)


def test_float32_gives_the_float64_share_and_rank():
    _, function = mlp(12, 6, 9, 3)
    points, moved = normal(13, 12, 6), normal(14, 12, 6)
    exact = local_unexplained(function, points, moved).unexplained
    single = local_unexplained(function, points.float(), moved.float()).unexplained
    assert single == pytest.approx(exact, abs=1e-5)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="threshold is 0"):
        rank_at(torch.ones(3), threshold=0.0, relative=True)
    with pytest.raises(InputError, match="at least one row and column"):
        matrix_rank(torch.ones(0, 3), absolute=1.0)
    with pytest.raises(InputError, match="non-finite"):
        matrix_rank(torch.full((2, 2), math.nan), absolute=1.0)
    with pytest.raises(InputError, match="chunk_rows is 0"):
        local_rank(torch.relu, torch.ones(2, 2), absolute=1.0, chunk_rows=0)
    with pytest.raises(InputError, match="one displacement for each point"):
        local_unexplained(torch.relu, torch.ones(2, 2), torch.ones(3, 2))
    with pytest.raises(InputError, match="got 1 spaces for 2 displacements"):
        outside([torch.eye(2)], torch.ones(2, 2))
