"""Operations whose directions were planted, and the Gaussian group in closed form."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.geometry.spans import column_space
from contrascope.geometry.tangent import operation_cell, tangent, tangent_directions
from contrascope.geometry.toys import gaussian_group


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_cell(rows, moved, directions):
    """Shares from the eigenvectors of covariances that are written as loops."""
    n, dim = rows.shape
    mean = rows.mean(dim=0)
    second, covariance = torch.zeros(dim, dim).double(), torch.zeros(dim, dim).double()
    for before, after in zip(rows, moved, strict=True):
        second += torch.outer(after - before, after - before) / n
        covariance += torch.outer(before - mean, before - mean) / n
    _, vectors = torch.linalg.eigh(second)
    basis = vectors[:, -directions:]
    along = sum((basis[:, k] @ covariance @ basis[:, k]).item() for k in range(directions))
    return along / covariance.trace().item(), second.trace().item() / (2 * covariance.trace().item())


@pytest.mark.parametrize("directions", [1, 3])
@pytest.mark.parametrize("chunk_rows", [5, 4096])
def test_a_cell_equals_slow_loops(directions, chunk_rows):
    rows = normal(0, 40, 5)
    moved = rows + 0.3 * normal(1, 40, 5)
    cell = operation_cell(rows, moved, directions=directions, chunk_rows=chunk_rows)
    share, size = slow_cell(rows, moved, directions)
    assert cell.variance_share == pytest.approx(share, abs=1e-10)
    assert cell.moved == pytest.approx(size, abs=1e-10)
    assert cell.variance_share <= cell.most_share + 1e-12


def test_the_gaussian_group_gives_its_closed_form():
    toy = gaussian_group(images=60_000, dim=8, planes=1, spread=0.8, inside=2.0, outside=1.0)
    cell = operation_cell(toy.h, toy.moved, directions=10)
    assert cell.directions == 2
    assert cell.carried == pytest.approx(1.0, abs=1e-12)
    assert cell.variance_share == pytest.approx(toy.variance_share, abs=0.01)
    assert cell.moved == pytest.approx(toy.moved_share, abs=0.01)
    assert (toy.variance_share, toy.free_rank) == (pytest.approx(8 / 14), 6)


def test_a_projector_that_loses_the_group_is_invariant_and_one_that_keeps_it_is_not():
    toy = gaussian_group(images=2000, dim=8, planes=2, spread=0.5)
    lost, kept = torch.eye(8).double()[:, 4:], torch.eye(8).double()[:, :4]
    assert operation_cell(toy.h @ lost, toy.moved @ lost).moved == pytest.approx(0.0, abs=1e-25)
    assert operation_cell(toy.h @ kept, toy.moved @ kept).moved > operation_cell(toy.h, toy.moved).moved
    shift = toy.moved - toy.h
    assert tangent(lost, shift).unexplained == pytest.approx(1.0)
    assert tangent(kept, shift).unexplained == pytest.approx(0.0, abs=1e-12)
    assert tangent(lost, shift).angles.tolist() == pytest.approx([math.pi / 2] * 4)
    assert tangent(kept, shift).angles.tolist() == pytest.approx([0.0] * 4, abs=1e-7)


def test_a_random_projector_removes_its_chance():
    shift = normal(2, 4000, 20)
    found = tangent(normal(3, 20, 5), shift, directions=3)
    assert found.chance == 0.75
    assert found.unexplained == pytest.approx(0.75, abs=0.02)
    assert len(found.angles) == 3


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_scaling_shifting_and_turning_the_layer_changes_no_cell(seed, scale):
    rows, turn = normal(seed, 30, 5), torch.linalg.qr(normal(seed + 1, 5, 5)).Q
    moved = rows + 0.5 * normal(seed + 2, 30, 5)
    one = operation_cell(rows, moved, directions=2)
    other = operation_cell(scale * rows @ turn + 3, scale * moved @ turn + 3, directions=2)
    assert other.variance_share == pytest.approx(one.variance_share, abs=1e-8)
    assert other.moved == pytest.approx(one.moved, rel=1e-8)


def test_nothing_moves_and_nothing_varies_are_zeros():
    rows = normal(4, 10, 3)
    still = operation_cell(rows, rows)
    assert (still.variance_share, still.moved, still.directions) == (0.0, 0.0, 0)
    flat = operation_cell(torch.ones(10, 3), torch.ones(10, 3) + 1)
    assert (flat.variance_share, flat.moved) == (0.0, 0.0)


def test_finite_differences_of_a_line_are_its_slope():
    slope, strength = normal(5, 6, 3), torch.tensor([0.5, -0.5, 1.0, 2.0, -1.0, 0.1]).double()
    found = tangent_directions(torch.zeros(6, 3).double(), slope * strength[:, None], strength)
    assert torch.allclose(found, slope)


def test_float32_gives_the_float64_cell():
    rows = normal(6, 60, 6)
    moved = rows + 0.2 * normal(7, 60, 6)
    exact, single = operation_cell(rows, moved), operation_cell(rows.float(), moved.float())
    assert single.variance_share == pytest.approx(exact.variance_share, abs=1e-5)
    assert single.moved == pytest.approx(exact.moved, rel=1e-5)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="expected the same images in both"):
        operation_cell(torch.ones(3, 2), torch.ones(4, 2))
    with pytest.raises(InputError, match="1 rows of 2 features"):
        operation_cell(torch.ones(1, 2), torch.ones(1, 2))
    with pytest.raises(InputError, match="1 of 2 strengths are 0"):
        tangent_directions(torch.ones(2, 2), torch.ones(2, 2), torch.tensor([0.0, 1.0]))
    with pytest.raises(InputError, match="one strength each"):
        tangent_directions(torch.ones(4, 2), torch.ones(4, 2), torch.ones(3))
    with pytest.raises(InputError, match=r"weight\.T"):
        tangent(torch.eye(3), torch.ones(4, 2))
    assert column_space(torch.eye(3)).shape == (3, 3)
