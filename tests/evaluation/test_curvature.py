import pytest
import torch

from contrascope.evaluation import curvature
from contrascope.evaluation.curvature import Curvature


def quadratic(seed=0, rows=2, columns=3):
    """A symmetric positive matrix over all coordinates of a [rows columns] block."""
    source = torch.Generator().manual_seed(seed)
    root = torch.randn(rows * columns, rows * columns, dtype=torch.float64, generator=source)
    return root @ root.T + torch.eye(rows * columns)


def learnt(matrix, free, steps, *, penalty=0.0):
    found = Curvature(free=free)
    for step in steps:
        found.learn(step, (matrix @ step.flatten()).view_as(step), penalty=penalty)
    return found


def drawn(count, seed=1):
    source = torch.Generator().manual_seed(seed)
    return list(torch.randn(count, 2, 3, dtype=torch.float64, generator=source))


def inverse_by_hand(pairs, guess):
    """BFGS's inverse as a dense matrix, pair by pair."""
    found = guess
    unit = torch.eye(len(guess), dtype=guess.dtype)
    for step, change in pairs:
        left = unit - torch.outer(step, change) / step.dot(change)
        found = left @ found @ left.T + torch.outer(step, step) / step.dot(change)
    return found


def test_directions_are_those_of_the_dense_formula_at_every_penalty():
    free = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    matrix, steps = quadratic(), drawn(4)
    slope, guess = drawn(1, seed=5)[0], torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    found = learnt(matrix, free, steps)
    for penalty in (0.0, 0.3, 10.0):
        whole = matrix + penalty * torch.diag(free.repeat(2))
        pairs = [(step.flatten(), whole @ step.flatten()) for step in steps]
        last = pairs[-1][1]
        dense = torch.diag(guess.repeat(2))
        dense = dense * pairs[-1][0].dot(last) / last.dot(dense @ last)
        expected = -(inverse_by_hand(pairs, dense) @ slope.flatten()).view(2, 3)
        torch.testing.assert_close(
            found.downhill(slope, guess, penalty=penalty), expected, atol=1e-10, rtol=1e-10
        )


def test_the_last_step_is_undone_exactly():
    free, matrix, steps = torch.ones(3, dtype=torch.float64), quadratic(), drawn(3)
    found = learnt(matrix, free, steps)
    slope = (matrix @ steps[-1].flatten()).view(2, 3) + 0.7 * steps[-1]
    torch.testing.assert_close(found.downhill(slope, free, penalty=0.7), -steps[-1], atol=1e-10, rtol=1e-10)


def test_without_pairs_the_guess_decides():
    slope = drawn(1)[0]
    found = Curvature(free=torch.ones(3, dtype=torch.float64))
    guess = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    assert torch.equal(found.downhill(slope, guess, penalty=3.0), -slope * guess)


def test_a_pair_that_rounding_made_useless_is_not_remembered():
    found, step = Curvature(free=torch.ones(3, dtype=torch.float64)), drawn(1)[0]
    found.learn(step, -step, penalty=0.5)
    assert found.pairs == []
    found.learn(step, -step, penalty=1.5)
    assert len(found.pairs) == 1


@pytest.mark.parametrize("history", [1, 3])
def test_only_the_newest_pairs_are_remembered(history, monkeypatch):
    monkeypatch.setattr(curvature, "HISTORY", history)
    steps = drawn(5)
    found = learnt(quadratic(), torch.ones(3, dtype=torch.float64), steps)
    assert [torch.equal(pair[0], step) for pair, step in zip(found.pairs, steps[-history:], strict=True)] == [
        True
    ] * history


@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_asking_after_every_pair_is_as_asking_once(penalty):
    free = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    matrix, steps, slope = quadratic(rows=2), drawn(curvature.HISTORY + 9), drawn(1, seed=5)[0]
    guess = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    found = Curvature(free=free)
    for count, step in enumerate(steps, start=1):
        found.learn(step, (matrix @ step.flatten()).view_as(step), penalty=penalty)
        once = learnt(matrix, free, steps[:count], penalty=penalty)
        expected = once.downhill(slope, guess, penalty=penalty)
        torch.testing.assert_close(
            found.downhill(slope, guess, penalty=penalty), expected, rtol=1e-6, atol=1e-8
        )
