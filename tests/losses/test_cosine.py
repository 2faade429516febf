"""SimSiam's and BYOL's losses against slow loops and numbers by hand."""

import math

import pytest
import torch

from contrascope.losses.cosine import byol, negative_cosine, unit_distance


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return dot / math.sqrt(sum(a * a for a in x)) / math.sqrt(sum(b * b for b in y))


def test_two_views_are_the_published_symmetrised_losses():
    (p1, p2), (z1, z2) = p, z = normal(0, 2, 5, 4), normal(1, 2, 5, 4)
    simsiam = [-(cosine(p1[i], z2[i]) + cosine(p2[i], z1[i])) / 2 for i in range(5)]
    torch.testing.assert_close(negative_cosine(p, z).align, torch.stack(simsiam), rtol=0, atol=1e-10)
    both = [2 - 2 * cosine(p1[i], z2[i]) + 2 - 2 * cosine(p2[i], z1[i]) for i in range(5)]
    torch.testing.assert_close(byol(p, z).align, torch.stack(both), rtol=0, atol=1e-10)
    torch.testing.assert_close(unit_distance(p, z).align, torch.stack(both) / 2, rtol=0, atol=1e-10)


def test_three_views_average_the_six_directions():
    p, z = normal(2, 3, 4, 3), normal(3, 3, 4, 3)
    for i in range(4):
        cosines = [cosine(p[a, i], z[b, i]) for a in range(3) for b in range(3) if a != b]
        assert negative_cosine(p, z).align[i].item() == pytest.approx(-sum(cosines).item() / 6, abs=1e-10)
        assert byol(p, z).align[i].item() == pytest.approx(4 - 4 * sum(cosines).item() / 6, abs=1e-10)


def test_by_hand_and_a_zero_vector_counts_as_orthogonal():
    online = torch.tensor([[[3.0, 4.0], [0.0, 0.0]], [[0.0, 2.0], [5.0, 0.0]]])
    target = torch.tensor([[[0.0, -1.0], [1.0, 0.0]], [[10.0, 0.0], [1.0, 1.0]]])
    # image 0: (3, 4) with (10, 0) is 0.6, (0, 2) with (0, -1) is -1
    # image 1: the zero vector is 0, (5, 0) with (1, 0) is 1
    torch.testing.assert_close(negative_cosine(online, target).align, torch.tensor([0.2, -0.5]))
    torch.testing.assert_close(byol(online, target).align, torch.tensor([4.8, 2.0]))
    torch.testing.assert_close(unit_distance(online, target).align, torch.tensor([2.4, 1.0]))
    assert negative_cosine(online, target).spread.item() == byol(online, target).spread.item() == 0.0


def test_the_loss_itself_detaches_nothing():
    online, target = normal(4, 2, 3, 2), normal(5, 2, 3, 2).requires_grad_()
    negative_cosine(online, target).total.backward()
    assert target.grad.abs().max() > 0.01
