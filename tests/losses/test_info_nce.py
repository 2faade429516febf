"""InfoNCE within a batch beside loops, by hand, and beside SimCSE's cross-entropy."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses.info_nce import info_nce


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(x, y):
    return (x @ y / x.norm() / y.norm()).item()


def slow(z, tau, *, pairs, hard=None, weight=1.0):
    """Anchor i of view a beside view b of every image, and beside the hard ones."""
    losses = []
    for a, b in pairs:
        for i in range(z.shape[1]):
            scores = [math.exp(cosine(z[a, i], other) / tau) for other in z[b]]
            extra = [] if hard is None else [math.exp(cosine(z[a, i], other) / tau) for other in hard]
            if extra:
                extra[i] *= weight
            losses.append(-math.log(scores[i] / (sum(scores) + sum(extra))))
    return sum(losses) / len(losses)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), views=st.integers(2, 3), batch=st.integers(2, 6), tau=st.floats(0.05, 2))
def test_it_is_the_formula_over_ordered_pairs_of_views(seed, views, batch, tau):
    z, hard = normal(seed, views, batch, 3), normal(seed + 1, batch, 3)
    pairs = [(a, b) for a in range(views) for b in range(views) if a != b]
    assert info_nce(z, temperature=tau).total.item() == pytest.approx(slow(z, tau, pairs=pairs), rel=1e-10)
    found = info_nce(z, temperature=tau, hard=hard, hard_weight=2.5).total.item()
    assert found == pytest.approx(slow(z, tau, pairs=pairs, hard=hard, weight=2.5), rel=1e-10)


def test_in_one_direction_it_is_the_cross_entropy_of_simcse():
    z, tau = normal(2, 2, 7, 4), 0.05
    a, b = F.normalize(z, dim=-1)
    expected = F.cross_entropy(a @ b.T / tau, torch.arange(7))
    torch.testing.assert_close(info_nce(z, temperature=tau, positives="average-asymmetric").total, expected)
    assert info_nce(z, temperature=tau).total.item() != pytest.approx(expected.item(), rel=1e-3)


def test_with_contradictions_it_is_the_supervised_cross_entropy_of_simcse():
    z, hard, tau = normal(2, 2, 6, 4), normal(3, 6, 4), 0.1
    a, b = F.normalize(z, dim=-1)
    logits = torch.cat([a @ b.T, a @ F.normalize(hard, dim=-1).T + 0.0], dim=1) / tau
    logits[:, 6:] += torch.eye(6) * math.log(3.0)
    found = info_nce(z, temperature=tau, hard=hard, hard_weight=3.0, positives="average-asymmetric")
    torch.testing.assert_close(found.total, F.cross_entropy(logits, torch.arange(6)))


def test_by_hand_two_orthogonal_images():
    terms = info_nce(torch.eye(2, dtype=torch.float64).expand(2, 2, 2), temperature=1.0)
    assert terms.align.tolist() == [-1.0, -1.0]
    assert terms.total.item() == pytest.approx(0.31326, abs=5e-6)  # log(1 + 1 / e)


def test_the_gradient_reaches_the_hard_candidates():
    z, hard = normal(4, 2, 4, 3).requires_grad_(), normal(5, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z, c: info_nce(z, hard=c, temperature=0.4).total, (z, hard))


def test_hard_candidates_of_another_shape_are_refused():
    with pytest.raises(
        InputError, match=r"hard candidates of shape \(3, 3\); expected one an image: \(4, 3\)"
    ):
        info_nce(normal(6, 2, 4, 3), hard=normal(7, 3, 3), temperature=0.1)
    with pytest.raises(InputError, match=r"hard_weight is 0\.0; expected a finite number above zero"):
        info_nce(normal(6, 2, 4, 3), hard=normal(7, 4, 3), hard_weight=0.0, temperature=0.1)
