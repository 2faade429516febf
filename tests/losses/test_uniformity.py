"""Alignment and uniformity against slow loops, numbers by hand and the uniform law on the sphere."""

import math

import pytest
import torch

from contrascope.errors import InputError
from contrascope.losses.uniformity import alignment_uniformity


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit_lists(z):
    return [[[v / math.sqrt(sum(u * u for u in x)) for v in x] for x in view] for view in z.tolist()]


def square(x, y):
    return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize(("power", "sharpness"), [(2.0, 2.0), (1.0, 3.0), (3.0, 0.5)])
def test_it_equals_slow_loops(power, sharpness):
    z, target = normal(0, 3, 5, 4), normal(1, 3, 5, 4)
    x, y = unit_lists(z), unit_lists(target)
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    align = sum(math.sqrt(square(x[a][i], y[b][i])) ** power for a, b in pairs for i in range(5)) / 30
    potentials = []
    for view in [*x, *y]:
        exps = [math.exp(-sharpness * square(view[i], view[j])) for i in range(5) for j in range(i)]
        potentials.append(math.log(sum(exps) / len(exps)))
    terms = alignment_uniformity(z, target, power=power, sharpness=sharpness, uniformity=0.4)
    assert terms.align.mean().item() == pytest.approx(align, abs=1e-10)
    assert terms.spread.item() == pytest.approx(0.4 * sum(potentials) / 6, abs=1e-10)


def test_by_hand_two_antipodal_images():
    z = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]], [[0.0, 1.0], [-1.0, 0.0]]])
    terms = alignment_uniformity(z)
    torch.testing.assert_close(terms.align, torch.tensor([2.0, 0.0]))
    assert terms.spread.item() == pytest.approx((-2 * 4 - 2 * 2) / 2)


def test_the_uniform_law_on_the_circle_has_its_known_potential():
    """log of the mean of exp(-2 |x - y|^2) over the circle: log(exp(-4) I_0(4)) = -1.575."""
    angles = torch.arange(2000, dtype=torch.float64) * (2 * math.pi / 2000)
    z = torch.stack([angles.cos(), angles.sin()], dim=1).expand(2, 2000, 2)
    potential = math.exp(alignment_uniformity(z).spread.item())
    with_itself = (1999 * potential + 1) / 2000  # the circle's law has no pairs to leave out
    expected = math.log(math.exp(-4) * torch.special.i0(torch.tensor(4.0, dtype=torch.float64)).item())
    assert math.log(with_itself) == pytest.approx(expected, abs=1e-10)
    assert expected == pytest.approx(-1.575, abs=1e-3)
    assert expected == pytest.approx(-1.575, abs=1e-3)


def test_coinciding_views_have_a_finite_gradient_at_power_one():
    z = normal(2, 1, 4, 3).expand(2, 4, 3).clone().requires_grad_()
    alignment_uniformity(z, power=1.0).total.backward()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("setting", ["power", "sharpness"])
def test_settings_must_be_positive(setting):
    with pytest.raises(InputError, match=f"{setting} is 0.0; expected a finite number above zero"):
        alignment_uniformity(torch.ones(2, 4, 3), **{setting: 0.0})
