"""Unit vectors and the log-sum-exp over negatives."""

import pytest
import torch

from contrascope.losses.similarity import log_negatives, unit


def test_the_zero_vector_stays_zero_with_gradient_zero():
    z = torch.zeros(2, 3, requires_grad=True)
    unit(z).sum().backward()
    assert unit(z).abs().max().item() == 0.0
    assert z.grad.abs().max().item() == 0.0


def test_very_short_and_very_long_vectors_become_unit_in_float32():
    z = torch.tensor([[3e-12, 4e-12], [3e12, 4e12]])
    torch.testing.assert_close(unit(z), torch.tensor([[0.6, 0.8], [0.6, 0.8]]))


def test_negatives_are_both_views_of_other_images_by_hand():
    online = torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]])
    target = torch.tensor([[[1.0], [0.5]], [[0.25], [2.0]]])
    # anchors in the order pair (0, 1) images 0, 1, then pair (1, 0): each meets the other image's two targets
    meets = [[[0.5, 2.0], [2.0, 0.5]], [[1.5, 6.0], [4.0, 1.0]]]
    expected = torch.tensor(meets).logsumexp(-1)
    torch.testing.assert_close(log_negatives(online, target), expected)


@pytest.mark.parametrize("views", [2, 3])
def test_the_written_gradient_of_the_negatives_equals_that_of_a_plain_log_sum_exp(views):
    generator = torch.Generator().manual_seed(0)
    online, target = (
        torch.randn(views, 5, 4, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2)
    )
    rows = []
    for a, b in [(a, b) for a in range(views) for b in range(views) if a != b]:
        products = torch.cat([online[a] @ target[v].T for v in (a, b)], dim=1)
        others = ~torch.eye(5, dtype=torch.bool).repeat(1, 2)
        rows.append(products[others].view(5, 8).logsumexp(-1))
    expected = torch.stack(rows)
    actual = log_negatives(online, target)
    upstream = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    for ours, plain in zip(
        torch.autograd.grad(actual, (online, target), upstream),
        torch.autograd.grad(expected, (online, target), upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-12)


def test_the_gradient_stays_in_float32_when_the_backward_runs_under_autocast():
    z = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (outside,) = torch.autograd.grad(log_negatives(z, z).sum(), z)
    total = log_negatives(z, z).sum()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (inside,) = torch.autograd.grad(total, z)
    assert torch.equal(inside, outside)
