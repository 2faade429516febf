import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.intervals import bootstrap_interval, resample_counts
from contrascope.theory.factors import divergence as module
from contrascope.theory.factors.alignment import unit_views
from contrascope.theory.factors.divergence import (
    class_centres,
    class_codes,
    class_draws,
    divergence,
    mean_view,
    nearest_centre_error,
)


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


def test_divergence_equals_slow_loops():
    h, y = world(1)
    result = divergence(h, y, radius=2.0)
    centres = slow_centres(h, y)
    assert [e.value for e in four(result)] == pytest.approx(slow_pairs(centres), rel=1e-10)
    smallest = min(sum(v * v for v in row) for row in centres.values())
    assert result.delta_mu == pytest.approx(1 - smallest / 4, rel=1e-10)
    assert result.inner.diagonal().min().item() == pytest.approx(smallest, rel=1e-10)
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
    wrong = nearest_centre_error((h @ rotation).flip(0)[:, order] + 9, 5 - y[order])
    assert wrong.error.value == pytest.approx(nearest_centre_error(h, y).error.value)
    assert wrong.per_class.flip(0).tolist() == pytest.approx(nearest_centre_error(h, y).per_class.tolist())


@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_block_sizes_change_nothing(block_rows, monkeypatch):
    h, y = world(2)
    base, error = divergence(h, y, draws=30), nearest_centre_error(h, y, draws=30)
    monkeypatch.setattr(module, "BLOCK_FLOATS", 20 * block_rows)
    blocks = divergence(h, y, draws=30, block_rows=block_rows)
    for a, b in zip(four(base), four(blocks), strict=True):
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-10)
    again = nearest_centre_error(h, y, draws=30, block_rows=block_rows)
    assert again.error == error.error
    torch.testing.assert_close(again.per_class, error.per_class)


def test_float32_agrees_with_float64():
    h, y = world(3, dtype=torch.float32)
    single, double = divergence(h, y, draws=40), divergence(h.double(), y, draws=40)
    for a, b in zip(four(single), four(double), strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-12)
        assert (a.low, a.high) == pytest.approx((b.low, b.high), rel=1e-4, abs=1e-5)
    assert nearest_centre_error(h, y).error == nearest_centre_error(h.double(), y).error
    torch.testing.assert_close(mean_view(h).double(), h.double().mean(dim=0), rtol=1e-6, atol=1e-6)


def test_the_interval_is_the_spread_of_resampled_images_about_the_value():
    h, y = world(4, n=9)
    draws, weights = 25, torch.cat(list(resample_counts(9, draws=25, seed=2, key="divergence")))
    slow = np.array([slow_pairs(slow_centres(h, y, [int(w) for w in row])) for row in weights.tolist()])
    ends = np.quantile(slow, [0.025, 0.5, 0.975], axis=0)
    for column, found in enumerate(four(divergence(h, y, draws=draws, seed=2))):
        low, middle, high = ends[:, column]
        limit = 1 if column < 2 else math.inf
        assert found.low == pytest.approx(max(-limit, found.value + low - middle), rel=1e-9)
        assert found.high == pytest.approx(min(limit, found.value + high - middle), rel=1e-9)
        assert found.low <= found.value <= found.high


def test_draws_without_a_class_leave_it_out():
    rows, codes = torch.tensor([[1.0], [3.0], [10.0]], dtype=torch.float64), torch.tensor([0, 0, 1])
    counts = torch.cat(list(resample_counts(3, draws=50, seed=0, key="a")))
    drawn = list(class_draws(rows, codes, draws=50, seed=0, key="a"))
    mass = torch.cat([m for _, m in drawn])
    means = torch.cat([c for c, _ in drawn])
    assert torch.equal(mass[:, 1], counts[:, 2])
    absent = mass == 0
    assert absent.any()
    assert (means[absent] == 0).all()
    assert (means[:, 1][mass[:, 1] > 0] == 10).all()


def test_two_images_of_two_classes_have_intervals_from_the_draws_that_hold_both():
    result = divergence(torch.tensor([[[1.0, 0.0], [0.6, 0.8]]]), torch.tensor([0, 1]), draws=20)
    assert result.max_cosine.low == pytest.approx(0.6) == result.max_cosine.high


def slow_error(h, y):
    centres = slow_centres(h, y)
    wrong = [
        min(centres, key=lambda k: sum((a - b) ** 2 for a, b in zip(row, centres[k], strict=True))) != label
        for view in h.tolist()
        for row, label in zip(view, y.tolist(), strict=True)
    ]
    return torch.tensor(wrong).view(len(h), -1).double()


@pytest.mark.parametrize("apart", [0.3, 1.0, 3.0])
def test_the_nearest_centre_error_equals_slow_loops(apart):
    h, y = world(5, apart=apart)
    found, wrong = nearest_centre_error(h, y, draws=60, seed=1), slow_error(h, y)
    assert found.error.value == pytest.approx(wrong.mean().item(), abs=1e-12)
    for k, share in zip(found.classes.tolist(), found.per_class.tolist(), strict=True):
        assert share == pytest.approx(wrong[:, y == k].mean().item(), abs=1e-12)
    expected = bootstrap_interval(wrong.mean(dim=0), draws=60, seed=1, key="nearest_centre_error")
    assert (found.error.low, found.error.high) == pytest.approx(expected)


def test_a_row_at_equal_distances_goes_to_the_lower_class():
    """Centres 0 and 2 of the x axis, a row of each class on the boundary x = 1."""
    h = torch.tensor([[[1.0, 0.1], [-1.0, -0.1], [1.0, 0.1], [3.0, -0.1]]])
    assert nearest_centre_error(h, torch.tensor([0, 0, 1, 1])).per_class.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("value", [0.0, 0.1, 1234.567])
def test_constant_features_err_on_all_but_the_lowest_class(value):
    h, y = torch.full((2, 30, 7), value), torch.arange(30) % 3
    assert nearest_centre_error(h, y).per_class.tolist() == [0.0, 1.0, 1.0]
    assert divergence(h, y).simplex_distance == pytest.approx(0.5)


def test_rounding_of_the_centres_does_not_decide_among_equal_ones():
    source = torch.Generator().manual_seed(0)
    y = torch.cat([torch.arange(4), torch.randint(4, (93,), generator=source)])
    for value in torch.rand(20, generator=source, dtype=torch.float64).tolist():
        h = torch.full((3, 97, 5), value, dtype=torch.float64)
        assert nearest_centre_error(h, y).per_class.tolist() == [0.0, 1.0, 1.0, 1.0]


def test_separated_classes_have_no_error_far_from_the_origin():
    h, y = world(6, apart=0.0)
    h = 1e-4 * h + 100 + 1e-2 * y[:, None]
    assert nearest_centre_error(h, y).error.value == 0


def test_a_class_with_one_image_is_fine_and_a_zero_centre_has_cosine_zero():
    h = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]]])
    result = divergence(h, torch.tensor([0, 0, 1]))
    assert result.max_cosine.value == 0.0
    assert nearest_centre_error(h, torch.tensor([0, 0, 1])).error.value == 0.0


def test_normalised_features_keep_inner_products_and_delta_in_range():
    h, y = world(7)
    result = divergence(unit_views(h), y, draws=20)
    assert 0 < result.delta_mu < 1
    assert result.inner.diagonal().max() <= 1


def test_one_class_wrong_counts_and_nan_are_refused():
    h, y = world(8)
    for measure in (divergence, nearest_centre_error):
        with pytest.raises(InputError, match=r"name 1 class; expected at least 2.*label column"):
            measure(h, torch.zeros(40, dtype=torch.int64))
        with pytest.raises(InputError, match=r"h\[1\]: row 3"):
            measure(h.masked_fill(torch.zeros_like(h).index_put_((torch.tensor(1), torch.tensor(3)),
                    torch.tensor(1.0, dtype=h.dtype)).bool(), math.nan), y)  # fmt: skip
    with pytest.raises(InputError, match="3 labels for 4 images"):
        class_codes(torch.zeros(3, dtype=torch.int64), 4)
    with pytest.raises(InputError, match="radius=0"):
        divergence(h, y, radius=0.0)
