"""Whitening beside its definition, its invariance, its limits, and with the loss of W-MSE the public formula."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.losses.cosine import unit_distance
from contrascope.losses.whitening import whitened


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(z):
    """Cholesky's factor and the triangular system, entry by entry."""
    n, d = z.shape
    mean = [sum(z[i, k].item() for i in range(n)) / n for k in range(d)]
    x = [[z[i, k].item() - mean[k] for k in range(d)] for i in range(n)]
    cov = [[sum(row[a] * row[b] for row in x) / (n - 1) for b in range(d)] for a in range(d)]
    factor = [[0.0] * d for _ in range(d)]
    for a in range(d):
        for b in range(a + 1):
            rest = cov[a][b] - sum(factor[a][k] * factor[b][k] for k in range(b))
            factor[a][b] = math.sqrt(rest) if a == b else rest / factor[b][b]
    found = []
    for row in x:
        solved = []
        for a in range(d):
            solved.append((row[a] - sum(factor[a][k] * solved[k] for k in range(a))) / factor[a][a])
        found.append(solved)
    return torch.tensor(found, dtype=torch.float64)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), dim=st.integers(1, 5), more=st.integers(0, 9))
def test_it_is_the_definition_and_its_covariance_is_the_identity(seed, dim, more):
    z = normal(seed, 2 * dim + more, dim) @ normal(seed + 1, dim, dim) + 5
    white = whitened(z)
    torch.testing.assert_close(white, slow(z), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(white.mean(0), torch.zeros(dim, dtype=torch.float64), rtol=0, atol=1e-9)
    if len(z) > 1:
        identity = torch.eye(dim, dtype=torch.float64)
        torch.testing.assert_close(torch.cov(white.T).view(dim, dim), identity, rtol=0, atol=1e-8)


def test_by_hand_two_numbers_of_which_the_second_follows_the_first():
    z = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    z[:, 1] += 3 * z[:, 0]
    # variance 4/3 of the first; less what follows from the first, the second has 4/3 too
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(whitened(z), expected * math.sqrt(0.75))


def test_a_triangular_map_changes_nothing_and_a_rotation_does():
    z = normal(0, 12, 4)
    lower = normal(1, 4, 4).tril()
    lower.diagonal().abs_().add_(0.5)
    torch.testing.assert_close(whitened(z @ lower.T + 7), whitened(z), rtol=1e-9, atol=1e-9)
    rotation = torch.linalg.qr(normal(2, 4, 4))[0]
    turned = whitened(z @ rotation)
    assert (turned - whitened(z)).abs().max() > 0.1
    assert (turned.square().sum(1) - whitened(z).square().sum(1)).abs().max() < 1e-9  # distances are the same


def test_gradients_are_right_and_stacks_are_whitened_apart():
    z = normal(3, 2, 8, 3).requires_grad_()
    assert torch.autograd.gradcheck(whitened, (z,))
    torch.testing.assert_close(whitened(z), torch.stack([whitened(one) for one in z]))


def test_half_precision_is_raised_and_autocast_is_ignored():
    z = normal(4, 16, 4).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = whitened(z)
    assert found.dtype == torch.float32
    assert torch.equal(found, whitened(z.float()))
    exact = whitened(normal(4, 16, 4).float().double())
    torch.testing.assert_close(whitened(normal(4, 16, 4).float()).double(), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("w", [32, 64, 96])
def test_it_is_the_public_loss_on_sub_batches(w):
    """As the authors and lightly have it: shrunk covariance with epsilon 0, one permutation, pairs of views."""
    views, n, dim = 3, 192, 16
    z = normal(5, views, n, dim)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(6))
    white = torch.empty_like(z)
    for some in order.view(-1, w):
        for view in range(views):
            x = z[view, some].T
            x = x - x.mean(1, keepdim=True)
            cov = x @ x.T / (w - 1)
            inverse = torch.linalg.inv(torch.linalg.cholesky(cov))
            white[view, some] = (inverse @ x).T
    unit = white / white.norm(dim=-1, keepdim=True)
    pairs = [(a, b) for a in range(views) for b in range(a + 1, views)]
    expected = sum(2 - 2 * (unit[a] * unit[b]).sum(-1).mean() for a, b in pairs) / len(pairs)
    ours = torch.empty_like(z)
    for some in order.view(-1, w):
        ours[:, some] = whitened(z[:, some])
    terms = unit_distance(ours)
    torch.testing.assert_close(terms.total, expected)
    assert terms.spread.item() == 0
    assert terms.total.item() == pytest.approx(2.0, abs=0.05)  # views without relation


def test_with_one_embedding_more_than_numbers_anything_would_become_a_simplex():
    """So it is refused, with what is needed."""
    x = normal(7, 5, 4)
    x = x - x.mean(0)
    white = torch.linalg.solve(torch.linalg.cholesky(x.T @ x / 4), x.T).T
    gram = white @ white.T
    torch.testing.assert_close(gram, 4 * (torch.eye(5, dtype=torch.float64) - 0.2))
    with pytest.raises(InputError, match=r"sub-batch of 5 embeddings of 4 numbers; expected .* numbers, 8"):
        whitened(normal(7, 5, 4))
    assert whitened(normal(7, 8, 4)).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["a constant", "a copy", "all equal", "a sum"])
def test_a_singular_covariance_is_refused_with_its_sizes_and_what_to_change(kind, dtype):
    z = (30 * normal(8, 64, 6)).to(dtype)
    if kind == "a constant":
        z[:, 2] = 0.1
    elif kind == "a copy":
        z[:, 5] = z[:, 0]
    elif kind == "a sum":
        z[:, 4] = z[:, :4].sum(1) / 3
    else:
        z = torch.full_like(z, 0.1)
    with pytest.raises(
        InputError, match=r"64 embeddings of 6 numbers is singular: .*Lower method.projector.out"
    ):
        whitened(z)


def test_numbers_that_are_not_finite_are_left_to_the_watch_over_the_loss():
    z = normal(9, 12, 3)
    z[4, 1] = math.nan
    assert whitened(z).isnan().any()
