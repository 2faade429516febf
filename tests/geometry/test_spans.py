"""Spans against numpy and slow loops; angles of planes that were built with them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.geometry.spans import (
    column_space,
    leading_directions,
    principal_angles,
    second_moment,
    unexplained,
)


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def rotation(seed, dim):
    return torch.linalg.qr(normal(seed, dim, dim)).Q


def test_unexplained_is_least_squares_of_numpy():
    rows, matrix = normal(0, 40, 9), normal(1, 9, 3)
    left = 0.0
    for row in rows.numpy():
        fit, *_ = np.linalg.lstsq(matrix.numpy(), row, rcond=None)
        left += float(((row - matrix.numpy() @ fit) ** 2).sum())
    ours = unexplained(rows, column_space(matrix))
    assert ours == pytest.approx(left / float((rows**2).sum()), abs=1e-12)


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000])
def test_chunks_change_nothing(chunk_rows):
    rows, matrix = normal(2, 33, 6), normal(3, 6, 2)
    basis = column_space(matrix)
    assert unexplained(rows, basis, chunk_rows=chunk_rows) == pytest.approx(
        unexplained(rows, basis), abs=1e-12
    )
    one, other = (leading_directions(rows, most=3, chunk_rows=size) for size in (chunk_rows, 4096))
    assert one.carried == pytest.approx(other.carried, abs=1e-12)


def test_columns_that_repeat_or_vanish_add_no_direction():
    column = normal(4, 5, 1)
    assert column_space(torch.cat([column, 3 * column, 0 * column], dim=1)).shape == (5, 1)
    assert column_space(torch.zeros(5, 2)).shape == (5, 0)
    assert unexplained(normal(5, 3, 5), column_space(torch.zeros(5, 2))) == 1.0


def test_rows_without_length_leave_nothing_to_explain():
    assert unexplained(torch.zeros(4, 3), torch.eye(3)[:, :1]) == 0.0
    found = leading_directions(torch.zeros(4, 3), most=2)
    assert (found.basis.shape[1], found.carried) == (0, 1.0)


def test_leading_directions_of_a_diagonal_cloud_are_its_axes():
    rows = torch.cat([torch.diag(torch.tensor([1.0, 3.0, 2.0])), -torch.diag(torch.tensor([1.0, 3.0, 2.0]))])
    found = leading_directions(rows, most=2)
    assert found.basis.abs().argmax(dim=0).tolist() == [1, 2]
    assert found.energy.tolist() == pytest.approx([3.0, 4 / 3])
    assert found.carried == pytest.approx(13 / 14)
    assert leading_directions(rows, most=3, share=0.9).basis.shape[1] == 2
    assert leading_directions(rows, most=3, share=0.95).basis.shape[1] == 3


def test_second_moment_equals_slow_loops():
    rows = normal(6, 11, 3)
    for a in range(3):
        for b in range(3):
            slow = math.fsum(float(row[a] * row[b]) for row in rows) / 11
            assert second_moment(rows, chunk_rows=4)[a, b].item() == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.7, math.pi / 4, 1.5, math.pi / 2 - 1e-9])
def test_angles_between_planes_built_with_them_are_found(angle):
    base = rotation(7, 6)
    one = base[:, :2]
    tilted = math.cos(angle) * base[:, 0] + math.sin(angle) * base[:, 3]
    other = torch.stack([tilted, base[:, 1], base[:, 4]], dim=1)
    found = principal_angles(one, other)
    assert found.tolist() == pytest.approx(sorted([0.0, angle]), abs=1e-12)
    assert principal_angles(other, one).tolist() == pytest.approx(found.tolist(), abs=1e-12)


def test_no_direction_has_no_angle():
    assert principal_angles(torch.eye(3), torch.eye(3)[:, :0]).shape == (0,)


@given(seed=st.integers(0, 10_000), rank=st.integers(1, 5))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_turning_everything_and_mixing_columns_changes_neither_share_nor_angle(seed, rank):
    rows, matrix, turn = normal(seed, 20, 6), normal(seed + 1, 6, rank), rotation(seed + 2, 6)
    mixed = matrix @ (normal(seed + 3, rank, rank) + 3 * torch.eye(rank))
    before, after = (
        unexplained(rows, column_space(matrix)),
        unexplained(rows @ turn.T, column_space(turn @ mixed)),
    )
    assert after == pytest.approx(before, abs=1e-9)
    other = column_space(normal(seed + 4, 6, 2))
    angles = principal_angles(column_space(matrix), other)
    turned = principal_angles(column_space(turn @ mixed), turn @ other)
    assert turned.tolist() == pytest.approx(angles.tolist(), abs=1e-7)


def test_float32_rows_give_the_float64_share():
    rows, matrix = normal(8, 50, 7), normal(9, 7, 3)
    exact = unexplained(rows, column_space(matrix))
    assert unexplained(rows.float(), column_space(matrix.float())) == pytest.approx(exact, abs=1e-6)


def test_wrong_input_is_refused_with_advice():
    with pytest.raises(InputError, match=r"basis is of 4 dimensions and the rows of 3.*weight\.T"):
        unexplained(torch.ones(2, 3), torch.eye(4))
    with pytest.raises(InputError, match="rows: row 1 holds a non-finite value"):
        unexplained(torch.tensor([[1.0], [math.nan]]), torch.eye(1))
    with pytest.raises(InputError, match="rows has 0 rows"):
        second_moment(torch.ones(0, 3))
    with pytest.raises(InputError, match="share=0"):
        leading_directions(torch.ones(3, 2), most=1, share=0.0)
