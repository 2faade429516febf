"""VICReg in the convention of its authors' code and in that of its paper."""

import pytest
import torch

from contrascope.losses.vicreg import vicreg, vicreg_paper


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_variance(z):
    batch, dim = z.shape
    hinges = []
    for j in range(dim):
        variance = sum((z[n, j] - z[:, j].mean()) ** 2 for n in range(batch)) / (batch - 1)
        hinges.append(max(0.0, 1 - (variance + 1e-4) ** 0.5))
    return sum(hinges) / dim


def slow_covariance(z):
    batch, dim = z.shape
    total = 0.0
    for i in range(dim):
        for j in range(dim):
            x, y = z[:, i] - z[:, i].mean(), z[:, j] - z[:, j].mean()
            total += 0 if i == j else (sum(x[n] * y[n] for n in range(batch)) / (batch - 1)) ** 2
    return total / dim


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_both_conventions_equal_slow_loops(scale):
    z = scale * normal(0, 2, 6, 3)
    square = sum(((z[0, n] - z[1, n]) ** 2).sum() for n in range(6)) / 6
    variance, covariance = (slow(z[0]) + slow(z[1]) for slow in (slow_variance, slow_covariance))
    code = 7 * square / 3 + 5 * variance / 2 + 2 * covariance
    paper = 7 * square + 5 * variance + 2 * covariance
    weights = {"invariance": 7.0, "variance": 5.0, "covariance": 2.0}
    assert vicreg(z, **weights).total.item() == pytest.approx(float(code), abs=1e-10, rel=1e-12)
    assert vicreg_paper(z, **weights).total.item() == pytest.approx(float(paper), abs=1e-10, rel=1e-12)


def test_with_a_target_the_spread_is_that_of_both_branches():
    online, target = 0.5 * normal(1, 2, 6, 3), 0.7 * normal(2, 2, 6, 3)
    views = [*online, *target]
    variance, covariance = (sum(slow(z) for z in views) / 4 for slow in (slow_variance, slow_covariance))
    assert vicreg(online, target).spread.item() == pytest.approx(
        float(25 * variance + 2 * covariance), abs=1e-10
    )
    expected = (((online[0] - target[1]) ** 2).mean() + ((online[1] - target[0]) ** 2).mean()) / 2
    assert vicreg(online, target).align.mean().item() == pytest.approx(25 * expected.item(), abs=1e-10)


def test_by_hand_two_images():
    """Variance 2 of a dimension (no hinge) or 0 (hinge 1 - 0.01); covariance 2 of equal columns."""
    views = [[[-1.0, -1.0], [1.0, 1.0]], [[-1.0, 5.0], [1.0, 5.0]]]
    z = torch.tensor(views, dtype=torch.float64)
    terms = vicreg(z)
    assert terms.align.tolist() == [25 * 36 / 2, 25 * 16 / 2]
    assert terms.spread.item() == pytest.approx(25 * (0 + 0.99 / 2) / 2 + 1 * (2 * 4 / 2 + 0))
    terms = vicreg_paper(z)
    assert terms.align.tolist() == [25 * 36, 25 * 16]
    assert terms.spread.item() == pytest.approx(25 * (0 + 0.99 / 2) + 1 * (2 * 4 / 2 + 0))


def test_the_conventions_differ_three_times_on_ordinary_batches():
    z = 0.5 * normal(3, 256, 64)
    z = torch.stack([z, z + 0.1 * normal(4, 256, 64)])
    assert vicreg(z).total.item() == pytest.approx(12.6, abs=0.5)
    assert vicreg_paper(z).total.item() == pytest.approx(40.7, abs=1.0)
