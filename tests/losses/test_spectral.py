"""The spectral loss and the linear contrastive loss against slow loops and numbers by hand."""

import math

import pytest
import torch

from contrascope.losses.spectral import linear_contrastive, spectral


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def clipped(x, mu):
    length = math.sqrt(sum(v * v for v in x))
    return [v * min(1.0, math.sqrt(mu) / length) for v in x]


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("mu", [1.0, 4.0, 100.0])
def test_spectral_equals_slow_loops(mu):
    online, target = normal(0, 3, 5, 4), normal(1, 3, 5, 4)
    x, y = ([[clipped(v, mu) for v in view] for view in z.tolist()] for z in (online, target))
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    align = sum(-2 * dot(x[a][i], y[b][i]) for a, b in pairs for i in range(5)) / 30 / mu
    spread = sum(dot(x[a][i], y[b][j]) ** 2 for a, b in pairs for i in range(5) for j in range(5) if i != j)
    terms = spectral(online, target, mu=mu)
    assert terms.align.mean().item() == pytest.approx(align, abs=1e-10)
    assert terms.spread.item() == pytest.approx(spread / 6 / 20 / mu, abs=1e-10)


def test_spectral_by_hand_clips_long_vectors_only():
    z = torch.tensor([[[2.0, 0.0], [0.5, 0.0]], [[0.0, 0.5], [4.0, 0.0]]])
    # mu = 1: (1, 0), (.5, 0) against (0, .5), (1, 0): positives 0 and .5; across images 1 and 0
    terms = spectral(z, mu=1.0)
    assert terms.align.tolist() == [0.0, -1.0]
    assert terms.spread.item() == 0.5


def test_linear_contrastive_equals_slow_loops():
    z, target = normal(2, 3, 5, 4), normal(3, 3, 5, 4)
    x, y = ([[clipped([9e9 * u for u in v], 1) for v in view] for view in w.tolist()] for w in (z, target))
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    align = -sum(dot(x[a][i], x[b][i]) for a, b in pairs for i in range(5)) / 30
    centre = [sum(v[k] for view in x for v in view) / 15 for k in range(4)]
    terms = linear_contrastive(z, centring=0.3)
    assert terms.align.mean().item() == pytest.approx(align, abs=1e-10)
    assert terms.spread.item() == pytest.approx(0.3 * dot(centre, centre), abs=1e-10)
    both = [sum(v[k] for view in [*x, *y] for v in view) / 30 for k in range(4)]
    assert linear_contrastive(z, target, centring=0.3).spread.item() == pytest.approx(
        0.3 * dot(both, both), abs=1e-10
    )


def test_linear_contrastive_is_content_with_two_antipodal_points_where_nt_xent_is_not():
    antipodal = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(2, 1).expand(2, 4, 2)
    square = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).expand(2, 4, 2)
    assert (
        linear_contrastive(antipodal, centring=1.0).total
        == linear_contrastive(square, centring=1.0).total
        == -1.0
    )


def test_linear_contrastive_of_a_collapsed_batch_is_the_centring_minus_one():
    assert linear_contrastive(torch.ones(2, 4, 1), centring=2.5).total.item() == 1.5
