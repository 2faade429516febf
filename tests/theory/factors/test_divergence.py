import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.intervals import resample_counts
from contrascope.theory.factors import divergence as module
from contrascope.theory.factors.alignment import unit_views
from contrascope.theory.factors.divergence import (
    class_centres,
    class_codes,
    class_draws,
    divergence,
    mean_view,
)
from contrascope.theory.factors.resampled import largest_interval, reflected_interval


def world(seed=0, num_views=3, n=40, dim=5, classes=4, apart=1.0, dtype=torch.float64):
    source = torch.Generator().manual_seed(seed)
    y = torch.cat([torch.arange(classes), torch.randint(classes, (n - classes,), generator=source)])
    mu = apart * torch.randn(classes, dim, generator=source, dtype=torch.float64)
    noise = torch.randn(num_views, n, dim, generator=source, dtype=torch.float64)
    return (mu[y] + noise).to(dtype), 3 * y - 2


def slow_centres(h, y, weights=None):
    weights = [1] * len(y) if weights is None else weights
    centres = {}
    for k in sorted(set(y.tolist())):
        total, mass = [0.0] * h.shape[2], 0
        for view in h:
            for row, label, w in zip(view.tolist(), y.tolist(), weights, strict=True):
                if label == k and w:
                    total, mass = [t + w * v for t, v in zip(total, row, strict=True)], mass + w
        if mass:
            centres[k] = [t / mass for t in total]
    return centres


def slow_pairs(centres):
    """Max and mean cosine, max and mean inner product over pairs."""
    rows = list(centres.values())
    inner = [[sum(a * b for a, b in zip(r, s, strict=True)) for s in rows] for r in rows]
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    plain = [inner[i][j] for i, j in pairs]
    cosine = [inner[i][j] / math.sqrt(inner[i][i] * inner[j][j]) for i, j in pairs]
    return [max(cosine), sum(cosine) / len(pairs), max(plain), sum(plain) / len(pairs)]


def four(result):
    return [result.max_cosine, result.mean_cosine, result.max_inner, result.mean_inner]


def test_centres_are_means_over_images_and_views():
    h, y = world()
    centres, classes = class_centres(h, y)
    slow = slow_centres(h, y)
    assert classes.tolist() == list(slow)
    np.testing.assert_allclose(centres.numpy(), list(slow.values()), rtol=1e-10, atol=1e-12)


def mean_of_pairs(rows):
    """Mean inner product of different rows: |mu|^2 without bias."""
    pairs = [(a @ b).item() for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
    return max(0.0, sum(pairs) / len(pairs))


def test_divergence_equals_slow_loops():
    h, y = world(1)
    result = divergence(h, y, radius=2.0)
    centres = slow_centres(h, y)
    assert [e.value for e in four(result)] == pytest.approx(slow_pairs(centres), rel=1e-10)
    smallest = min(mean_of_pairs(h.mean(dim=0)[y == k]) for k in y.unique())
    assert result.delta_mu == pytest.approx(1 - smallest / 4, rel=1e-10)
    squares = [sum(v * v for v in row) for row in centres.values()]
    assert result.inner.diagonal().tolist() == pytest.approx(squares, rel=1e-10)
    torch.testing.assert_close(result.cosines.diagonal(), torch.ones(4, dtype=torch.float64))


def test_two_orthogonal_and_one_opposite_centre_by_hand():
    h = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]])
    result = divergence(h, torch.tensor([4, 5, 6]))
    assert result.cosines.tolist() == [[1, 0, -1], [0, 1, 0], [-1, 0, 1]]
    assert result.inner.tolist() == [[4, 0, -2], [0, 1, 0], [-2, 0, 1]]
    assert (result.max_cosine.value, result.mean_inner.value) == (0.0, pytest.approx(-2 / 3))
    assert result.delta_mu == 0.0


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_a_regular_simplex_is_at_distance_zero_with_inner_products_of_minus_one_over_k_minus_one(classes):
    corners = torch.eye(classes, dtype=torch.float64) - 1 / classes
    corners = corners / corners.norm(dim=1, keepdim=True)
    result = divergence(corners[None], torch.arange(classes))
    assert result.simplex_distance < 1e-12
    assert result.max_inner.value == pytest.approx(-1 / (classes - 1))
    shifted = divergence(3 * corners[None] + 5, torch.arange(classes))
    assert shifted.simplex_distance < 1e-12


def test_the_simplex_distance_by_hand():
    """Centres -1, 0, 1 on a line: the middle one is the mean, so its cosines are 0; deviations 1/2, 1/2, -1/2."""
    h = torch.tensor([[[-1.0, 7.0], [0.0, 7.0], [1.0, 7.0]]])
    assert divergence(h, torch.arange(3)).simplex_distance == pytest.approx(0.5)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31 - 1), classes=st.integers(2, 5))
def test_order_of_images_and_views_names_and_rotation_change_nothing(seed, classes):
    h, y = world(seed, classes=classes)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(world(seed, 1, 5, 5)[0][0]).Q
    base, moved = divergence(h, y), divergence((h @ rotation).flip(0)[:, order], 5 - y[order])
    assert [e.value for e in four(moved)] == pytest.approx([e.value for e in four(base)], rel=1e-9, abs=1e-9)
    assert moved.simplex_distance == pytest.approx(base.simplex_distance, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_block_sizes_change_nothing(block_rows, monkeypatch):
    h, y = world(2)
    base = divergence(h, y, draws=30)
    monkeypatch.setattr(module, "BLOCK_FLOATS", 20 * block_rows)
    blocks = divergence(h, y, draws=30, block_rows=block_rows)
    for a, b in zip(four(base), four(blocks), strict=True):
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-10)


def test_float32_agrees_with_float64():
    h, y = world(3, dtype=torch.float32)
    single, double = divergence(h, y, draws=40), divergence(h.double(), y, draws=40)
    for a, b in zip(four(single), four(double), strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-12)
        assert (a.low, a.high) == pytest.approx((b.low, b.high), rel=1e-4, abs=1e-5)
    torch.testing.assert_close(mean_view(h).double(), h.double().mean(dim=0), rtol=1e-6, atol=1e-6)


def drawn_centres(h, y, *, draws, seed):
    """Slow: images resampled within their classes, deviations stretched by sqrt(n / (n - 1))."""
    classes, out = y.unique(), []
    for place, k in enumerate(classes):
        rows = h.mean(dim=0)[y == k]
        n, middle = len(rows), rows.mean(dim=0)
        counts = torch.cat(list(resample_counts(n, draws=draws, seed=seed, key=f"divergence {place}")))
        means = torch.stack(
            [sum(c * row for c, row in zip(times, rows, strict=True)) / n for times in counts]
        )
        out.append(middle + math.sqrt(n / max(1, n - 1)) * (means - middle))
    return torch.stack(out, dim=1)


def test_the_intervals_are_those_of_centres_of_resampled_images():
    h, y = world(4, n=12)
    centres = drawn_centres(h, y, draws=25, seed=2)
    found = four(divergence(h, y, draws=25, seed=2))
    i, j = torch.triu_indices(4, 4, 1)
    for column, unit in enumerate((True, False)):
        own, drawn = class_centres(h, y)[0], centres
        if unit:
            own, drawn = (torch.nn.functional.normalize(x, dim=-1) for x in (own, drawn))
        pairs, draws = (own @ own.T)[i, j], (drawn @ drawn.mT)[:, i, j]
        limit = 1.0 if unit else math.inf
        most, mean = found[2 * column : 2 * column + 2]
        assert (most.low, most.high) == pytest.approx(largest_interval(pairs, draws, limit=limit))
        expected = reflected_interval(pairs.mean().item(), draws.mean(dim=1), limit=limit)
        assert (mean.low, mean.high) == pytest.approx(expected)
        assert most.low <= most.value <= most.high


def test_only_pairs_that_may_be_the_nearest_are_drawn(monkeypatch):
    h, y = world(9, n=200, classes=12, apart=4.0)
    base = divergence(h, y, draws=60)
    monkeypatch.setattr(module, "TOP_PAIRS", 20)
    few = divergence(h, y, draws=60)
    for a, b in zip(four(base), four(few), strict=True):
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))


def test_classes_of_one_image_have_no_spread():
    rows, codes = torch.tensor([[1.0], [3.0], [10.0]], dtype=torch.float64), torch.tensor([0, 0, 1])
    drawn = torch.cat(list(class_draws(rows, codes, draws=50, seed=0, key="a")))
    assert (drawn[:, 1] == 10).all()
    assert drawn[:, 0].unique().tolist() == pytest.approx([2 - 2**0.5, 2, 2 + 2**0.5])
    result = divergence(torch.tensor([[[1.0, 0.0], [0.6, 0.8]]]), torch.tensor([0, 1]), draws=20)
    assert result.max_cosine.low == pytest.approx(0.6) == result.max_cosine.high


def test_a_zero_centre_has_cosine_zero():
    h = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]]])
    assert divergence(h, torch.tensor([0, 0, 1])).max_cosine.value == 0.0


def test_delta_mu_has_no_bias_from_the_number_of_images():
    """Unit rows about a centre of squared length 0.36 (radius 0.6 on a circle): Delta_mu is 0.64 at any n."""
    source = torch.Generator().manual_seed(0)
    for n in (5, 40):
        found = []
        for _ in range(400):
            turn = torch.rand(n, generator=source, dtype=torch.float64) * 2 * math.pi
            rows = torch.stack([0.6 + 0 * turn, 0.8 * turn.cos(), 0.8 * turn.sin()], dim=1)
            rows = torch.cat([rows, torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)])
            y = torch.cat([torch.zeros(n, dtype=torch.int64), torch.ones(1, dtype=torch.int64)])
            found.append(divergence(rows[None], y).delta_mu)
        assert np.mean(found) == pytest.approx(0.64, abs=3 * np.std(found) / 20)


def test_normalised_features_keep_inner_products_and_delta_in_range():
    h, y = world(7)
    result = divergence(unit_views(h), y, draws=20)
    assert 0 < result.delta_mu < 1
    assert result.inner.diagonal().max() <= 1


def test_one_class_wrong_counts_and_nan_are_refused():
    h, y = world(8)
    with pytest.raises(InputError, match=r"name 1 class; expected at least 2.*label column"):
        divergence(h, torch.zeros(40, dtype=torch.int64))
    h[1, 3, 1] = math.nan
    with pytest.raises(InputError, match=r"h\[1\]: row 3"):
        divergence(h, y)
    with pytest.raises(InputError, match="3 labels for 4 images"):
        class_codes(torch.zeros(3, dtype=torch.int64), 4)
    with pytest.raises(InputError, match="radius=0"):
        divergence(h, y, radius=0.0)
