"""MeanShift's loss beside loops, by hand, at one neighbour, and beside the formula of the authors' code."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses.cosine import unit_distance
from contrascope.losses.mean_shift import mean_shift


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    return (x @ y / x.norm() / y.norm()).item()


def slow(q, u, queue, k):
    losses = []
    for a in range(len(q)):
        for b in range(len(q)):
            for i in range(q.shape[1]) if a != b else ():
                others = sorted(queue, key=lambda old, near=u[b, i]: -cosine(old, near))[: k - 1]
                losses.append(sum(2 - 2 * cosine(q[a, i], t) for t in [u[b, i], *others]) / k)
    return sum(losses) / len(losses)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), views=st.integers(2, 3), batch=st.integers(1, 5), k=st.integers(1, 8))
def test_it_is_the_published_formula(seed, views, batch, k):
    q, u, queue = normal(seed, views, batch, 3), normal(seed + 1, views, batch, 3), normal(seed + 2, 7, 3)
    found = mean_shift(q, u, queue=queue, neighbours=k).total.item()
    assert found == pytest.approx(slow(q, u, queue, k), rel=1e-10)


def test_by_hand_a_target_with_one_of_two_old_embeddings():
    q = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]], dtype=torch.float64)
    u = torch.tensor([[[0.0, 2.0]], [[0.0, 2.0]]], dtype=torch.float64)
    queue = torch.tensor([[-1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    # 2 with the target, 2 - 1.2 with the nearer of the queue
    terms = mean_shift(q, u, queue=queue, neighbours=2)
    assert terms.total.item() == pytest.approx(1.4)
    assert terms.spread.item() == 0


def test_with_one_neighbour_it_is_the_distance_to_the_target():
    q, u, queue = normal(0, 2, 5, 4), normal(1, 2, 5, 4), normal(2, 6, 4)
    found, expected = mean_shift(q, u, queue=queue, neighbours=1), unit_distance(q, u)
    torch.testing.assert_close(found.align, expected.align)


def test_it_is_the_public_code_where_the_queue_holds_the_targets_of_one_image():
    """There the target enters the queue first, and the nearest five are then it and four others."""
    q, u, old = normal(3, 2, 1, 4), normal(4, 2, 1, 4), F.normalize(normal(5, 30, 4), dim=1)
    ways = []
    for a in range(2):
        query, target = F.normalize(q[a], dim=1), F.normalize(u[1 - a], dim=1)
        queue = torch.cat([target, old])
        nearest = (2 - 2 * target @ queue.T).topk(5, dim=1, largest=False).indices
        assert nearest[0, 0].item() == 0
        ways.append((2 - 2 * query @ queue.T).gather(1, nearest).sum(1).mean() / 5)
    torch.testing.assert_close(mean_shift(q, u, queue=old, neighbours=5).total, sum(ways) / 2)


def test_under_worst_the_pair_is_that_with_the_largest_mean_over_neighbours():
    q, u, queue = normal(6, 3, 4, 3), normal(7, 3, 4, 3), normal(8, 9, 3)
    found = mean_shift(q, u, queue=queue, neighbours=3, positives="worst").align
    for i in range(4):
        pairs = []
        for a in range(3):
            for b in range(3):
                if a != b:
                    two = torch.stack([q[a, i], q[a, i]])[:, None], torch.stack([u[b, i], u[b, i]])[:, None]
                    pairs.append(mean_shift(*two, queue=queue, neighbours=3).total.item())
        assert found[i].item() == pytest.approx(max(pairs))


@pytest.mark.parametrize(("neighbours", "queue"), [(0, (4, 3)), (6, (4, 3)), (2, (4, 2)), (2, (3,))])
def test_neighbours_that_are_not_there_are_refused(neighbours, queue):
    with pytest.raises(InputError, match=rf"got {neighbours} neighbours and a queue of shape"):
        inspect.unwrap(mean_shift)(torch.ones(2, 5, 3), queue=torch.ones(queue), neighbours=neighbours)
