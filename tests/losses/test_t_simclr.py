"""t-SimCLR beside loops over all pairs, by hand, and in its two limits."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.losses import nt_xent
from contrascope.losses.t_simclr import t_simclr


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(online, target, *, temperature, degrees):
    """The formula as loops over ordered pairs of embeddings, for two views."""

    def kernel(x, y):
        square = sum((a - b) ** 2 for a, b in zip(x.tolist(), y.tolist(), strict=True))
        return (1 + square / (degrees * temperature)) ** (-(degrees + 1) / 2)

    places = [(view, image) for view in range(2) for image in range(online.shape[1])]
    pairs = [(p, q) for p in places for q in places if p != q]
    denominator = sum(kernel(online[p], target[q]) for p, q in pairs)
    positives = [(p, q) for p, q in pairs if p[1] == q[1]]
    return -sum(math.log(kernel(online[p], target[q])) for p, q in positives) / len(positives) + math.log(
        denominator
    )


@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    batch=st.integers(2, 5),
    dim=st.integers(1, 4),
    temperature=st.floats(0.2, 10),
    degrees=st.floats(0.5, 20),
)
def test_it_is_the_published_formula(seed, batch, dim, temperature, degrees):
    online, target = normal(seed, 2, batch, dim), normal(seed + 1, 2, batch, dim)
    told = {"temperature": temperature, "degrees": degrees}
    for other in (online, target):
        expected = slow(online, other, **told)
        found = t_simclr(online, None if other is online else other, **told).total.item()
        assert found == pytest.approx(expected, rel=1e-10)


def test_by_hand_two_images_on_a_line():
    two = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(2, 2, 1)
    terms = t_simclr(two, temperature=1.0, degrees=1.0)
    assert terms.align.tolist() == [0, 0]
    assert terms.spread.item() == pytest.approx(math.log(8))  # 4 pairs at distance 0, 8 with kernel 1/2


def test_its_floor_is_the_log_of_all_embeddings_and_equal_ones_give_all_pairs():
    far = 1e9 * torch.eye(5, dtype=torch.float64).expand(2, 5, 5)
    assert t_simclr(far, temperature=1.0, degrees=3.0).total.item() == pytest.approx(math.log(10), rel=1e-6)
    equal = torch.ones(2, 5, 3)
    assert t_simclr(equal, temperature=1.0, degrees=3.0).total.exp().item() == pytest.approx(90, rel=1e-5)


def test_with_many_degrees_of_freedom_its_gradient_on_equal_rows_of_negatives_is_that_of_a_gaussian():
    z = normal(3, 2, 4, 3)
    z = (z / z.norm(dim=2, keepdim=True)).requires_grad_()
    heavy = t_simclr(z, temperature=0.5, degrees=1e7).align
    gaussian = torch.stack(
        [(z[a] - z[b]).square().sum(1) for a, b in itertools.permutations(range(2), 2)]
    ).mean(0)
    torch.testing.assert_close(heavy, gaussian / 2 / 0.5, rtol=1e-5, atol=0)
    cosine = nt_xent(z, temperature=0.5).align  # of unit rows: minus the cosine over the temperature
    torch.testing.assert_close(heavy, cosine + 1 / 0.5, rtol=1e-5, atol=0)


@pytest.mark.parametrize("changed", [{"degrees": 0.0}, {"temperature": -1.0}])
def test_a_kernel_without_width_is_refused(changed):
    with pytest.raises(InputError, match="expected a finite number above zero"):
        t_simclr(torch.ones(2, 3, 2), **{"temperature": 1.0, "degrees": 1.0, **changed})
