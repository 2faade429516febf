"""t-MoCo's loss beside loops, by hand, beside the public formula and in its Gaussian limit."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.losses.contrastive import info_nce_queue
from contrascope.losses.t_moco import t_moco
from contrascope.losses.t_simclr import t_simclr


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(q, k, queue, temperature, degrees):
    def kernel(x, y):
        square = sum((a - b) ** 2 for a, b in zip(x.tolist(), y.tolist(), strict=True))
        return (1 + square / (degrees * temperature)) ** (-(degrees + 1) / 2)

    losses = []
    for a in range(len(q)):
        for b in range(len(q)):
            for i in range(q.shape[1]) if a != b else ():
                own = kernel(q[a, i], k[b, i])
                losses.append(-math.log(own / (own + sum(kernel(q[a, i], old) for old in queue))))
    return sum(losses) / len(losses)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    views=st.integers(2, 3),
    batch=st.integers(1, 4),
    temperature=st.floats(0.2, 10),
    degrees=st.floats(0.5, 20),
)
def test_it_is_the_published_formula(seed, views, batch, temperature, degrees):
    q, k, queue = normal(seed, views, batch, 3), normal(seed + 1, views, batch, 3), normal(seed + 2, 6, 3)
    found = t_moco(q, k, queue=queue, temperature=temperature, degrees=degrees).total.item()
    assert found == pytest.approx(slow(q, k, queue, temperature, degrees), rel=1e-10)


def test_by_hand_one_key_at_the_query_and_two_old_ones_at_distance_1():
    z, queue = torch.zeros(2, 1, 1, dtype=torch.float64), torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    terms = t_moco(z, queue=queue, temperature=1.0, degrees=1.0)
    assert terms.align.item() == 0
    assert terms.spread.item() == pytest.approx(math.log(2))  # 1 + 1/2 + 1/2


def test_its_alignment_is_that_of_t_simclr():
    z, queue = normal(0, 2, 5, 3), normal(1, 6, 3)
    told = {"temperature": 5.0, "degrees": 10.0}
    torch.testing.assert_close(t_moco(z, queue=queue, **told).align, t_simclr(z, **told).align)


def test_with_many_degrees_of_freedom_and_unit_vectors_it_is_the_loss_of_moco():
    q, k, queue = (
        x / x.norm(dim=-1, keepdim=True) for x in (normal(2, 2, 5, 4), normal(3, 2, 5, 4), normal(4, 7, 4))
    )
    found = t_moco(q, k, queue=queue, temperature=0.5, degrees=1e8).total
    expected = info_nce_queue(q, k, queue=queue, temperature=0.5).total
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_under_worst_the_farthest_key_stands_above_and_below_and_query_1_meets_the_queue():
    q, k, queue = normal(5, 3, 4, 3), normal(6, 3, 4, 3), normal(7, 6, 3)
    told = {"temperature": 2.0, "degrees": 3.0}
    found = t_moco(q, k, queue=queue, positives="worst", **told)
    cost = lambda x, y: 2 * math.log(1 + (x - y).square().sum().item() / 6)  # noqa: E731
    expected = []
    for i in range(4):
        worst = max(cost(q[a, i], k[b, i]) for a in range(3) for b in range(3) if a != b)
        below = math.exp(-worst) + sum(math.exp(-cost(q[0, i], old)) for old in queue)
        expected.append(worst + math.log(below))
    assert found.total.item() == pytest.approx(sum(expected) / 4)


def test_keys_that_meet_queries_have_a_gradient_of_zero():
    z = torch.zeros(2, 3, 2, dtype=torch.float64, requires_grad=True)
    queue = torch.cat([torch.zeros(2, 2), torch.eye(2), -torch.eye(2)]).double()
    t_moco(z, queue=queue, temperature=5.0, degrees=10.0).total.backward()
    assert z.grad.abs().max() < 1e-12


@pytest.mark.parametrize("changed", [{"degrees": 0.0}, {"temperature": -1.0}, {"queue": torch.ones(4, 3)}])
def test_a_kernel_without_width_and_a_queue_of_another_width_are_refused(changed):
    told = {"temperature": 1.0, "degrees": 1.0, "queue": torch.ones(4, 2), **changed}
    with pytest.raises(InputError, match=r"expected a finite number above zero|got a queue of shape"):
        inspect.unwrap(t_moco)(torch.ones(2, 3, 2), **told)
