"""NNCLR's loss beside loops, by hand, and beside the formula of the public codes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from contrascope.losses.nnclr import nnclr


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    return (x @ y / x.norm() / y.norm()).item()


def slow(p, n, tau):
    """Every ordered pair of views: the neighbour of image i beside all predictions of the other view."""
    views, batch, _ = p.shape
    losses = []
    for a in range(views):
        for b in range(views):
            for i in range(batch) if a != b else ():
                scores = [math.exp(cosine(n[b, i], p[a, j]) / tau) for j in range(batch)]
                losses.append(-math.log(scores[i] / sum(scores)))
    return sum(losses) / len(losses)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), views=st.integers(2, 3), batch=st.integers(2, 6), tau=st.floats(0.1, 2))
def test_it_is_the_published_formula(seed, views, batch, tau):
    p, n = normal(seed, views, batch, 3), normal(seed + 1, views, batch, 3)
    assert nnclr(p, n, temperature=tau).total.item() == pytest.approx(slow(p, n, tau), rel=1e-10)


def test_by_hand_two_orthogonal_images_each_its_own_neighbour():
    one = torch.eye(2, dtype=torch.float64).expand(2, 2, 2)
    terms = nnclr(one, one, temperature=1.0)
    assert terms.align.tolist() == [-1.0, -1.0]
    assert terms.total.item() == pytest.approx(0.31326, abs=5e-6)  # log(1 + 1 / e)


@pytest.mark.parametrize("tau", [0.1, 0.2])
def test_it_is_the_symmetric_cross_entropy_of_neighbours_against_predictions(tau):
    """As solo-learn and lightly have it: rows are neighbours, columns predictions, the diagonal is right."""
    p, n = F.normalize(normal(0, 2, 7, 4), dim=-1), F.normalize(normal(1, 2, 7, 4), dim=-1)
    right = torch.arange(7)
    ways = [F.cross_entropy(n[a] @ p[1 - a].T / tau, right) for a in range(2)]
    torch.testing.assert_close(nnclr(p, n, temperature=tau).total, sum(ways) / 2)
    columns = [F.cross_entropy(p[1 - a] @ n[a].T / tau, right) for a in range(2)]
    assert nnclr(p, n, temperature=tau).total.item() != pytest.approx((sum(columns) / 2).item(), rel=1e-3)


def test_under_worst_the_denominator_is_of_predictions_of_view_1_and_neighbours_of_view_2():
    p, n, tau = normal(2, 3, 5, 4), normal(3, 3, 5, 4), 0.3
    found = nnclr(p, n, temperature=tau, positives="worst")
    expected = [math.log(sum(math.exp(cosine(n[1, i], p[0, j]) / tau) for j in range(5))) for i in range(5)]
    assert found.spread.item() == pytest.approx(sum(expected) / 5)
    worst = [min(cosine(p[a, 2], n[b, 2]) for a in range(3) for b in range(3) if a != b)]
    assert found.align[2].item() == pytest.approx(-worst[0] / tau)
