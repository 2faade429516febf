"""Barlow Twins in both conventions of its standard deviation."""

import inspect

import pytest
import torch

from contrascope.errors import InputError
from contrascope.losses.barlow_twins import barlow_twins


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_halves(z1, z2, *, unbiased):
    """Both sums of the paper's equation 1, entry by entry."""
    batch, dim = z1.shape
    c = [[0.0] * dim for _ in range(dim)]
    for i in range(dim):
        for j in range(dim):
            x, y = z1[:, i] - z1[:, i].mean(), z2[:, j] - z2[:, j].mean()
            std = [((v * v).sum() / (batch - unbiased)).sqrt() for v in (x, y)]
            c[i][j] = sum((x[n] / std[0]) * (y[n] / std[1]) for n in range(batch)) / batch
    on = sum((1 - c[i][i]) ** 2 for i in range(dim))
    return on, sum(c[i][j] ** 2 for i in range(dim) for j in range(dim) if i != j)


@pytest.mark.parametrize("std", ["biased", "unbiased"])
def test_it_equals_slow_loops_for_two_views(std):
    z = normal(0, 2, 6, 3)
    on, off = slow_halves(z[0], z[1], unbiased=std == "unbiased")
    terms = barlow_twins(z, std=std, redundancy=0.1)
    assert terms.align.mean().item() == pytest.approx(on.item(), abs=1e-10)
    assert terms.spread.item() == pytest.approx(0.1 * off.item(), abs=1e-10)


def test_with_a_target_both_directions_are_averaged():
    online, target = normal(1, 2, 6, 3), normal(2, 2, 6, 3)
    there = slow_halves(online[0], target[1], unbiased=False)
    back = slow_halves(online[1], target[0], unbiased=False)
    terms = barlow_twins(online, target, std="biased", redundancy=1.0)
    assert terms.align.mean().item() == pytest.approx(((there[0] + back[0]) / 2).item(), abs=1e-10)
    assert terms.spread.item() == pytest.approx(((there[1] + back[1]) / 2).item(), abs=1e-10)


def test_by_hand_three_images_two_dimensions():
    """Standardised, the views are (s, -s) and (s, s), s = sqrt(3/2) (-1, 0, 1): C = [[1, 1], [-1, -1]]."""
    a = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    z = torch.stack([torch.stack([a, -5 * a + 1], 1), torch.stack([3 * a, a], 1)])
    terms = barlow_twins(z, std="biased", redundancy=0.25)
    assert terms.align.mean().item() == pytest.approx(4.0)  # (1 - 1)^2 + (1 + 1)^2
    # shares: only dimension 2 counts, gap 2, products -3/2, 0, -3/2
    torch.testing.assert_close(terms.align, torch.tensor([5.0, 2.0, 5.0], dtype=torch.float64))
    assert terms.spread.item() == pytest.approx(0.25 * 2)


def test_unbiased_scales_the_correlation_by_batch_minus_one_over_batch():
    z = normal(3, 2, 5, 1)
    c = torch.corrcoef(z[:, :, 0])[0, 1].item()
    assert barlow_twins(z, std="biased").align.mean().item() == pytest.approx((1 - c) ** 2)
    assert barlow_twins(z, std="unbiased").align.mean().item() == pytest.approx((1 - 0.8 * c) ** 2)


def test_a_constant_dimension_counts_as_uncorrelated():
    z = normal(4, 1, 5, 2).expand(2, 5, 2).clone()
    z[..., 1] = 3.0
    terms = barlow_twins(z.requires_grad_(), std="biased")
    terms.total.backward()
    assert terms.align.mean().item() == pytest.approx(1.0)
    assert z.grad.isfinite().all()


def test_the_convention_must_be_named():
    unchecked = inspect.unwrap(barlow_twins)  # the shape checker of the tests would refuse the word first
    with pytest.raises(InputError, match="std is 'sample'; expected 'biased' or 'unbiased'"):
        unchecked(torch.ones(2, 4, 3), std="sample")


def diagonal_of(spread):
    """C_ii of one dimension whose two equal views have this standard deviation, from the loss alone."""
    z = spread * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)[:, None]
    return 1 - barlow_twins(torch.stack([z, z]), std="biased", redundancy=0.0).total.sqrt().item()


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 1.5e-6])
def test_a_nearly_constant_dimension_counts_as_any_other_unlike_batch_norms(spread):
    assert diagonal_of(spread) == pytest.approx(1.0, abs=1e-6)
    z = spread * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)[:, None]
    normed = torch.nn.BatchNorm1d(1, affine=False).double()(z)
    assert normed.square().mean().item() == pytest.approx(spread**2 / (spread**2 + 1e-5))


@pytest.mark.parametrize("spread", [1e-7, 1e-8, 0.0])
def test_below_the_floor_a_dimension_fades_to_zero(spread):
    assert diagonal_of(spread) == pytest.approx(spread**2 / 1e-12, abs=1e-9)
