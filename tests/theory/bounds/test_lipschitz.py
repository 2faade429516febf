"""The local Lipschitz estimate on maps whose constant is known, and that it stays below it."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.theory.bounds.lipschitz import local_lipschitz


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_map_has_its_spectral_norm(seed):
    matrix = normal(seed, 5, 7)
    estimate = local_lipschitz(lambda x: x @ matrix, normal(seed + 9, 6, 5), steps=100)
    exact = torch.linalg.matrix_norm(matrix, 2).item()
    assert estimate.jacobian == pytest.approx(exact, rel=1e-4)
    assert estimate.spread < 1e-4
    assert 0 < estimate.pairs <= exact
    assert estimate.value == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("steps", [1, 3, 20])
def test_it_is_never_above_the_constant_of_a_smooth_map(steps):
    weight = normal(1, 4, 4)
    estimate = local_lipschitz(lambda x: torch.tanh(x @ weight), normal(2, 30, 4), steps=steps)
    assert 0.1 < estimate.value <= torch.linalg.matrix_norm(weight, 2).item() + 1e-12


def test_the_jacobian_norm_of_a_nonlinear_map_equals_the_exact_largest_one():
    weight, x = normal(3, 3, 5), normal(4, 7, 3)

    def f(rows):
        return torch.sin(rows @ weight)

    exact = max(torch.linalg.matrix_norm(torch.func.jacrev(f)(row[None])[0, :, 0], 2).item() for row in x)
    assert local_lipschitz(f, x, steps=100, block_rows=3).jacobian == pytest.approx(exact, rel=1e-4)


def test_by_hand_the_steepest_given_pair_counts():
    x = torch.tensor([[0.0], [1.0], [3.0]])
    estimate = local_lipschitz(lambda rows: rows**2, x, pairs=torch.tensor([[0, 1], [1, 2], [2, 2]]))
    assert estimate.pairs == pytest.approx(4.0)  # (9 - 1) / 2
    assert estimate.jacobian == pytest.approx(6.0)
    assert estimate.value == pytest.approx(6.0)


def test_a_jump_between_points_is_seen_by_pairs_only():
    estimate = local_lipschitz(lambda x: torch.floor(x), torch.tensor([[0.9], [1.1]]))
    assert estimate.jacobian == 0.0
    assert estimate.value == pytest.approx(5.0, rel=1e-5)


def test_images_are_flattened_and_a_module_works():
    layer = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten()).double()
    x = normal(5, 4, 1, 5, 5)
    exact = torch.linalg.matrix_norm(torch.func.jacrev(layer)(x[:1])[0, :, 0].reshape(18, 25), 2).item()
    assert local_lipschitz(layer, x, steps=100).value == pytest.approx(exact, rel=1e-4)


def test_bad_points_and_maps_are_refused():
    with pytest.raises(InputError, match="expected at least 2 points"):
        local_lipschitz(lambda x: x, torch.ones(1, 3))
    with pytest.raises(InputError, match="non-finite"):
        local_lipschitz(lambda x: x, torch.full((3, 2), math.nan))
    with pytest.raises(InputError, match="one row of output for each row"):
        local_lipschitz(lambda x: x.sum(), torch.ones(3, 2))
