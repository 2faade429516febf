"""Planted generators are recovered; shares in the kernel are those by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.geometry.generators import exp_action, fit_generator, kernel_share
from contrascope.geometry.toys import gaussian_group


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def planted(seed, dim, planes):
    """Turns by different rates in planes that lie anywhere."""
    base = torch.linalg.qr(normal(seed, dim, dim)).Q
    block = torch.zeros(dim, dim, dtype=torch.float64)
    for k in range(planes):
        block[2 * k, 2 * k + 1], block[2 * k + 1, 2 * k] = -(1.0 + 0.5 * k), 1.0 + 0.5 * k
    return base @ block @ base.T


@pytest.mark.parametrize("scale", [0.1, 3.0, 25.0])
def test_the_action_is_the_matrix_exponential(scale):
    matrix, rows = scale * normal(0, 4, 4), normal(1, 5, 4)
    strength = torch.tensor([0.0, 1.0, -0.5, 0.25, 0.1]).double()
    exact = torch.stack([torch.matrix_exp(e * matrix) @ row for e, row in zip(strength, rows, strict=True)])
    assert torch.allclose(
        exp_action(matrix, rows, strength), exact, rtol=1e-10, atol=1e-12 * exact.abs().max()
    )


@pytest.mark.parametrize(("dim", "planes"), [(2, 1), (8, 1), (8, 3)])
@pytest.mark.parametrize("reach", [0.1, 1.0])
def test_planted_rotations_are_recovered_to_a_thousandth(dim, planes, reach):
    matrix, h = planted(dim, dim, planes), normal(2, 400, dim)
    strength = reach * (2 * torch.rand(400, generator=torch.Generator().manual_seed(3)).double() - 1)
    found = fit_generator(h, exp_action(matrix, h, strength), strength, ridge=1e-9)
    assert (found.matrix - matrix).abs().max().item() < 1e-3
    assert found.explained > 1 - 1e-6
    assert found.rank == 2 * planes


def test_the_generator_of_the_gaussian_group_is_recovered_under_noise():
    toy = gaussian_group(images=3000, dim=6, planes=1, spread=0.5, seed=1)
    noisy = toy.moved + 0.05 * normal(4, *toy.moved.shape)
    found = fit_generator(toy.h, noisy, toy.strength, rank=2)
    assert (found.matrix - toy.generator).abs().max().item() < 0.02
    assert found.rank == 2
    shift = (toy.moved - toy.h).square().sum().item() / toy.h.numel()
    assert found.explained == pytest.approx(1 - 0.05**2 / (shift + 0.05**2), abs=0.01)


def test_the_exponential_removes_the_bias_of_the_linear_fit():
    matrix, h = planted(5, 4, 1), normal(5, 500, 4)
    strength = torch.linspace(-1.2, 1.2, 500).double()
    moved = exp_action(matrix, h, strength)
    linear = fit_generator(h, moved, strength, ridge=1e-9, steps=0)
    exact = fit_generator(h, moved, strength, ridge=1e-9)
    assert (linear.matrix - matrix).abs().max().item() > 0.05
    assert (exact.matrix - matrix).abs().max().item() < 1e-6


def test_noise_alone_is_not_explained_on_images_that_were_held_out():
    h = normal(6, 300, 10)
    found = fit_generator(h, h + normal(7, 300, 10), normal(8, 300))
    assert found.explained < 0.05
    assert found.explained_fitted > found.explained


def test_a_subspace_explains_what_lies_in_it_and_no_more():
    toy = gaussian_group(images=2000, dim=10, planes=1, spread=0.4, inside=3.0, outside=0.3)
    found = fit_generator(toy.h, toy.moved, toy.strength, ridge=1e-9, subspace=2)
    assert (found.matrix - toy.generator).abs().max().item() < 0.01
    side = torch.zeros(2000, 10, dtype=torch.float64)
    side[:, 9] = 0.2 * toy.strength  # a shift that the subspace does not hold
    less = fit_generator(toy.h, toy.moved + side, toy.strength, subspace=2)
    assert less.explained < found.explained
    assert found.rank == less.rank == 2


def test_what_is_explained_in_a_subspace_is_what_fresh_images_show():
    turn = planted(20, 128, 64)

    def pairs(seed, count):
        h, eps = normal(seed, count, 128), 0.03 * normal(seed + 1, count).clamp(-1, 1)
        return h, exp_action(turn, h, eps), eps

    found = fit_generator(*pairs(21, 400), subspace=32, held_out=0.3)
    h, moved, eps = pairs(31, 2000)
    left = (moved - exp_action(found.matrix, h, eps)).square().sum() / (moved - h).square().sum()
    assert found.explained == pytest.approx(1 - left.item(), abs=0.05)


def test_a_subspace_holds_the_direction_of_the_operation_however_little_images_differ_along_it():
    h = torch.cat([1 + 0.01 * normal(11, 400, 1), 1 + normal(12, 400, 8)], dim=1)
    matrix = torch.zeros(9, 9, dtype=torch.float64)
    matrix[0, 0] = 1.0
    strength = torch.linspace(-0.4, 0.4, 400).double()
    found = fit_generator(h, exp_action(matrix, h, strength), strength, subspace=4)
    assert found.explained > 0.99
    assert kernel_share(torch.eye(9)[:, 1:], found.matrix).seen < 1e-6


def test_features_that_are_zero_have_no_generator_in_a_subspace_either():
    zero = torch.zeros(20, 6)
    found = fit_generator(zero, zero, torch.ones(20), subspace=2)
    assert (found.matrix.abs().max().item(), found.explained, found.rank) == (0.0, 1.0, 0)


@pytest.mark.parametrize("subspace", [None, 1, 3])
def test_a_fit_is_never_worse_than_no_change_on_its_own_images(subspace):
    h = 1e-2 * normal(13, 200, 5)  # moved a hundred times as far as images differ
    moved, strength = h + normal(14, 200, 5), normal(15, 200)
    found = fit_generator(h, moved, strength, subspace=subspace, ridge=1e-6)
    assert 0 <= found.explained_fitted < 1


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_the_unit_of_strength_scales_the_generator_and_turning_turns_it(seed, scale):
    toy = gaussian_group(images=200, dim=4, planes=1, spread=0.4, seed=seed)
    turn = torch.linalg.qr(normal(seed, 4, 4)).Q
    plain = fit_generator(toy.h, toy.moved, toy.strength)
    turned = fit_generator(toy.h @ turn.T, toy.moved @ turn.T, scale * toy.strength)
    assert torch.allclose(scale * turned.matrix, turn @ plain.matrix @ turn.T, atol=1e-6)


def test_images_that_do_not_move_have_no_generator():
    h = normal(9, 20, 3)
    found = fit_generator(h, h, torch.ones(20))
    assert found.matrix.abs().max().item() == 0.0
    assert (found.explained, found.rank) == (1.0, 0)


def test_kernel_shares_of_coordinate_projectors():
    turn = gaussian_group(images=2, dim=6, planes=1).generator
    eye = torch.eye(6).double()
    assert kernel_share(eye[:, 2:], turn).seen == 0.0
    assert kernel_share(eye[:, :2], turn).seen == pytest.approx(1.0)
    half = kernel_share(5 * eye[:, :1], turn)
    assert (half.seen, half.raw) == (pytest.approx(math.sqrt(0.5)), pytest.approx(5 * math.sqrt(0.5)))
    assert half.chance == pytest.approx(math.sqrt(1 / 6))
    assert kernel_share(eye, torch.zeros(6, 6)).seen == 0.0


def test_a_rank_one_projector_is_invariant_with_the_generator_outside_its_kernel():
    """The counter-example to "if and only if" of Proposition 4.1: positive outputs of one unit all point one way."""
    h = normal(10, 200, 3).abs() + 1
    matrix = torch.diag(torch.tensor([0.3, -0.1, 0.0]).double())
    moved = exp_action(matrix, h, torch.full((200,), 0.5))
    projector = torch.tensor([[1.0], [0.5], [0.2]]).double()
    assert torch.cosine_similarity(h @ projector, moved @ projector, dim=1).min().item() == pytest.approx(1.0)
    assert kernel_share(projector, matrix).seen > 0.5


def test_float32_pairs_give_the_float64_generator():
    toy = gaussian_group(images=500, dim=4, planes=1, spread=0.4)
    exact = fit_generator(toy.h, toy.moved, toy.strength)
    single = fit_generator(toy.h.float(), toy.moved.float(), toy.strength.float())
    assert torch.allclose(single.matrix, exact.matrix, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strength": torch.zeros(10)}, "all strengths are 0"),
        ({"moved": torch.ones(10, 2)}, "expected pairs"),
        ({"h": torch.full((10, 3), math.nan)}, "h: row 0 holds a non-finite value"),
        ({"rank": 0}, "rank=0"),
        ({"held_out": 1.0}, "held_out=1.0"),
        ({"held_out": 0.99}, "leaves none to fit"),
    ],
)
def test_wrong_input_is_refused(change, said):
    given = {"h": normal(0, 10, 3), "moved": normal(1, 10, 3), "strength": torch.ones(10)} | change
    h, moved, strength = given.pop("h"), given.pop("moved"), given.pop("strength")
    with pytest.raises(InputError, match=said):
        fit_generator(h, moved, strength, **given)


def test_an_action_that_explodes_is_refused():
    with pytest.raises(InputError, match="expected at most 1000"):
        exp_action(1e6 * torch.eye(2), torch.ones(1, 2), torch.ones(1))
    with pytest.raises(InputError, match=r"weight\.T"):
        kernel_share(torch.ones(3, 2), torch.eye(2))
