"""Uniformity against slow loops, the uniform law, and what each number says about each kind of collapse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive

from contrascope.errors import InputError
from contrascope.theory.factors.uniformity import (
    feature_std,
    uniform_law_uniformity,
    uniformity,
    wasserstein_uniformity,
)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rotation(seed, dim):
    return torch.linalg.qr(normal(seed, dim, dim)).Q


def slow_uniformity(h, t):
    x = [[v / math.hypot(*row) if any(row) else 0.0 for v in row] for row in h.tolist()]
    terms = [
        math.exp(-t * sum((a - b) ** 2 for a, b in zip(x[i], x[j], strict=True)))
        for i in range(len(x))
        for j in range(len(x))
        if i != j
    ]
    return math.log(math.fsum(terms) / len(terms))


def slow_wasserstein(h):
    x = (h / h.norm(dim=1, keepdim=True)).numpy()
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    root = vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T
    trace = np.trace(np.cov(x.T, bias=True)) - 2 / math.sqrt(x.shape[1]) * np.trace(root)
    return math.sqrt((x.mean(axis=0) ** 2).sum() + 1 + trace)


@pytest.mark.parametrize("t", [0.5, 2.0, 7.0])
@pytest.mark.parametrize("chunk_rows", [1, 4, 100])
def test_uniformity_equals_slow_loops_for_any_chunk(t, chunk_rows):
    h = normal(0, 11, 4)
    h[3] = 0
    assert uniformity(h, t=t, chunk_rows=chunk_rows).value == pytest.approx(slow_uniformity(h, t), abs=1e-10)


def test_by_hand_one_antipodal_and_two_right_angles():
    h = torch.tensor([[2.0, 0.0], [-1.0, 0.0], [0.0, 5.0]])
    expected = math.log((math.exp(-8) + 2 * math.exp(-4)) / 3)
    assert uniformity(h).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("dim", "value"), [(2, -1.575), (16, -3.513), (128, -3.938), (512, -3.984)], ids=["2", "16", "128", "512"]
)
def test_the_uniform_law_has_its_known_values(dim, value):
    assert uniform_law_uniformity(dim) == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize("t", [0.01, 0.5, 2.0, 30.0, 300.0])
@pytest.mark.parametrize("dim", [2, 3, 17, 100])
def test_the_uniform_law_equals_its_bessel_form(dim, t):
    """0F1(; v + 1; t^2) = Gamma(v + 1) I_v(2t) / t^v with v = dim/2 - 1."""
    order = dim / 2 - 1
    bessel = ive(order, 2 * t)  # exp(-2t) I_v(2t)
    if bessel == 0:
        pytest.skip("the Bessel function underflows here; the series does not")
    expected = math.lgamma(order + 1) + math.log(bessel) - order * math.log(t)
    assert uniform_law_uniformity(dim, t) == pytest.approx(expected, abs=1e-9, rel=1e-11)


def test_the_uniform_law_in_one_and_three_dimensions_by_hand():
    assert uniform_law_uniformity(1) == pytest.approx(math.log((1 + math.exp(-8)) / 2), abs=1e-12)
    assert uniform_law_uniformity(3) == pytest.approx(math.log((1 - math.exp(-8)) / 8), abs=1e-12)


def test_the_uniform_law_tends_to_orthogonal_rows_in_high_dimension():
    gaps = [uniform_law_uniformity(dim) + 4 for dim in (10**3, 10**5, 10**7)]
    assert [gap * dim for gap, dim in zip(gaps, (10**3, 10**5, 10**7), strict=True)] == pytest.approx(
        [8.0, 8.0, 8.0], rel=3e-3
    )


@pytest.mark.parametrize("dim", [2, 16])
def test_rows_uniform_on_the_sphere_have_the_value_of_the_law(dim):
    found = uniformity(normal(1, 3000, dim)).value
    assert found == pytest.approx(uniform_law_uniformity(dim), abs=0.01)


def test_wasserstein_equals_the_formula_with_a_matrix_root():
    for seed, count, dim in ((0, 50, 6), (1, 200, 3), (2, 4, 9)):
        h = normal(seed, count, dim) + 0.3
        for chunk_rows in (1, 7, 1000):
            found = wasserstein_uniformity(h, chunk_rows=chunk_rows)
            assert found == pytest.approx(slow_wasserstein(h), abs=1e-6 if count <= dim else 1e-10)


@pytest.mark.parametrize(("used", "dim"), [(1, 4), (2, 8), (8, 8), (3, 64)])
def test_wasserstein_of_rows_that_use_r_of_d_dimensions_evenly(used, dim):
    axes = torch.eye(dim, dtype=torch.float64)[:used]
    h = torch.cat([axes, -axes]) @ rotation(3, dim)
    expected = math.sqrt(2 - 2 * math.sqrt(used / dim))
    assert wasserstein_uniformity(h) ** 2 == pytest.approx(expected**2, abs=1e-12)


def test_dimensional_collapse_is_seen_by_wasserstein_and_hardly_by_uniformity():
    whole = normal(4, 2000, 64)
    half = whole * (torch.arange(64) < 32)
    assert uniformity(half).value - uniformity(whole).value < 0.13
    assert wasserstein_uniformity(half) > wasserstein_uniformity(whole) + 0.5


def test_fewer_rows_than_dimensions_bound_wasserstein_from_below():
    found = wasserstein_uniformity(normal(5, 10, 400))
    assert found >= math.sqrt(2 - 2 * math.sqrt(9 / 400)) - 1e-12
    assert found == pytest.approx(math.sqrt(2 - 2 * math.sqrt(9 / 400)), abs=0.01)


@pytest.mark.parametrize("value", [0.1, -30.0, 1e-20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_features_are_the_worst_of_every_number(value, dtype):
    h = torch.full((40, 6), value, dtype=dtype)
    assert uniformity(h, draws=20).value == pytest.approx(0, abs=1e-12)
    assert wasserstein_uniformity(h) == pytest.approx(math.sqrt(2), abs=1e-9)
    spread = feature_std(h)
    assert (spread.mean, spread.least, spread.dead) == (
        pytest.approx(0, abs=1e-12),
        pytest.approx(0, abs=1e-12),
        6,
    )


def test_equal_rows_never_give_more_than_zero():
    for seed in range(20):
        assert uniformity(normal(seed, 1, 7).expand(30, 7)).value <= 0


def test_zero_features_are_a_collapse_too():
    assert uniformity(torch.zeros(5, 3)).value == 0
    assert feature_std(torch.zeros(5, 3)).dead == 3


def test_features_on_a_line_through_zero_lie_at_two_points():
    h = normal(6, 200, 1).sign() * normal(6, 200, 1).abs() * normal(7, 1, 5)
    share = (h[:, 0] > 0).double().mean().item()
    same = (200 * (share**2 + (1 - share) ** 2) - 1) / 199
    assert uniformity(h).value == pytest.approx(math.log(same + (1 - same) * math.exp(-8)), abs=1e-9)


@pytest.mark.parametrize("clusters", [2, 6])
def test_features_at_k_orthogonal_points_by_hand(clusters):
    h = torch.eye(8, dtype=torch.float64)[:clusters].repeat(10, 1)
    same = 9 / (10 * clusters - 1)
    assert uniformity(h).value == pytest.approx(math.log(same + (1 - same) * math.exp(-4)), abs=1e-12)
    assert feature_std(h).dead == 8 - clusters


def test_feature_std_by_hand():
    spread = feature_std(torch.tensor([[3.0, 4.0, 0.0], [3.0, -4.0, 0.0]]))
    torch.testing.assert_close(spread.values, torch.tensor([0, 0.8 * 3**0.5, 0], dtype=torch.float64))
    assert spread.mean == pytest.approx(0.8 / 3**0.5, abs=1e-12)
    assert spread.dead == 2
    assert spread.least == 0


def test_feature_std_of_rows_uniform_on_the_sphere_is_one():
    spread = feature_std(normal(8, 20_000, 8), chunk_rows=999)
    assert spread.mean == pytest.approx(1, abs=0.01)
    assert spread.least > 0.98


def test_above_max_rows_a_fixed_sample_stands_for_all():
    h = normal(9, 900, 3)
    sampled = uniformity(h, max_rows=400)
    assert sampled == uniformity(h, max_rows=400)
    assert sampled.value != uniformity(h).value
    assert sampled.value == pytest.approx(uniformity(h).value, abs=0.05)
    assert uniformity(h, max_rows=900).value == uniformity(h).value


def test_the_interval_covers_the_true_value_about_as_often_as_it_says():
    """A law on the circle that is far from uniform: its value comes from a fine grid of angles."""
    grid = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    angle = grid**2 * 4  # the law of 4 u^2, u uniform
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    mean = math.exp(uniformity(points).value)
    truth = math.log((3999 * mean + 1) / 4000)
    covered = 0
    for seed in range(200):
        angle = torch.rand(80, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) ** 2 * 4
        found = uniformity(torch.stack([angle.cos(), angle.sin()], dim=1), draws=300)
        assert found.low <= found.value <= found.high
        covered += found.low <= truth <= found.high
    assert 0.88 <= covered / 200 <= 0.99


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 15), dim=st.integers(2, 8))
def test_order_rotation_and_length_of_rows_change_nothing(seed, count, dim):
    h = normal(seed, count, dim)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    moved = (h * (0.1 + normal(seed + 1, count, 1).abs()))[order] @ rotation(seed, dim)
    assert uniformity(h).value == pytest.approx(uniformity(moved, chunk_rows=3).value, abs=1e-9)
    assert -8 <= uniformity(h).value <= 0
    squares = [wasserstein_uniformity(rows) ** 2 for rows in (h, moved)]
    assert squares[0] == pytest.approx(squares[1], abs=1e-9)
    assert 0 <= squares[0] <= 2 + 1e-12


def test_copying_every_image_changes_wasserstein_nothing():
    h = normal(10, 30, 4)
    assert wasserstein_uniformity(h.repeat(3, 1)) == pytest.approx(wasserstein_uniformity(h), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_costs_only_the_rounding_of_the_input(dtype):
    h = normal(11, 300, 16)
    for measure in (lambda rows: uniformity(rows).value, wasserstein_uniformity):
        assert measure(h.to(dtype)) == pytest.approx(measure(h.to(dtype).double()), abs=1e-12)
        assert measure(h.float()) == pytest.approx(measure(h), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: uniformity(torch.tensor([[1.0], [math.nan]])), "row 1 holds a non-finite value"),
        (lambda: uniformity(torch.ones(1, 3)), r"shape \[1, 3\]; expected \[n, dim\] with at least 2 rows"),
        (lambda: uniformity(torch.ones(4, 3), t=0.0), "t=0.0"),
        (lambda: uniformity(torch.ones(4, 3), max_rows=1), "max_rows=1"),
        (lambda: uniformity(torch.ones(4, 3), draws=1), "draws=1"),
        (lambda: wasserstein_uniformity(torch.tensor([[1.0], [math.inf]])), "non-finite"),
        (lambda: wasserstein_uniformity(torch.ones(1, 3)), "at least 2 rows"),
        (lambda: wasserstein_uniformity(torch.ones(3, 3), chunk_rows=0), "chunk_rows is 0"),
        (lambda: feature_std(torch.ones(3, 0)), "1 feature"),
        (lambda: uniform_law_uniformity(0), "dim=0"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(InputError, match=words):
        call()
