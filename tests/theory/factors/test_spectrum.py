"""Singular values in blocks against numpy's SVD, ranks against slow loops, and every kind of collapse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.spectra import exp_entropy
from contrascope.theory.factors.spectrum import (
    alpha_req,
    covariance_and_gram,
    effective_rank,
    effective_rank_of,
    numerical_rank,
    participation_ratio,
    rankme,
    rankme_of,
    spectrum,
)


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def rotation(seed, dim):
    return torch.linalg.qr(normal(seed, dim, dim)).Q


@pytest.mark.parametrize(("count", "dim", "offset"), [(50, 7, 0.0), (4, 9, 3.0), (30, 30, 1e4), (2, 1, 0.5)])
@pytest.mark.parametrize("chunk_rows", [1, 7, 1000])
def test_moments_equal_slow_loops_and_numpy_for_any_chunk(count, dim, offset, chunk_rows):
    h = normal(0, count, dim) + offset
    moments = covariance_and_gram(h, chunk_rows=chunk_rows)
    rows = h.tolist()
    mean = [math.fsum(row[a] for row in rows) / count for a in range(dim)]
    gram = [[math.fsum(row[a] * row[b] for row in rows) / count for b in range(dim)] for a in range(dim)]
    scatter = [
        [math.fsum((row[a] - mean[a]) * (row[b] - mean[b]) for row in rows) / count for b in range(dim)]
        for a in range(dim)
    ]
    scale = 1 + offset
    assert moments.count == count
    torch.testing.assert_close(moments.mean, torch.tensor(mean, dtype=h.dtype), rtol=0, atol=1e-13 * scale)
    gram_error = (moments.gram - torch.tensor(gram, dtype=h.dtype)).abs().max().item()
    assert gram_error < 1e-13 * scale**2
    covariance = torch.tensor(scatter, dtype=h.dtype)
    torch.testing.assert_close(moments.covariance, covariance, rtol=0, atol=1e-12 * scale)
    largest = np.linalg.svd(h.numpy(), compute_uv=False)
    np.testing.assert_allclose(moments.raw_singular_values(), largest, rtol=0, atol=1e-13 * largest[0] * 10)
    centred = np.linalg.svd((h - h.mean(dim=0)).numpy(), compute_uv=False)
    np.testing.assert_allclose(moments.centred_singular_values(), centred, rtol=0, atol=1e-10 * scale)


def test_a_singular_value_far_below_that_of_the_gram_matrix_is_still_exact():
    """Squaring would lose everything below 1e-8 of the largest singular value."""
    wanted = torch.tensor([1.0, 1e-3, 1e-6, 1e-9, 1e-11], dtype=torch.float64)
    h = torch.linalg.qr(normal(1, 40, 5)).Q * wanted @ rotation(2, 5)
    found = covariance_and_gram(h, chunk_rows=9).raw_singular_values()
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=0)


def test_blocks_of_any_size_give_what_the_whole_tensor_gives():
    h = normal(3, 57, 6) + 2
    whole = covariance_and_gram(h).raw_singular_values()
    for sizes in ([57], [1] * 57, [20, 0, 37], [3, 50, 4]):
        parts = covariance_and_gram(iter(h.split(sizes)), chunk_rows=8).raw_singular_values()
        torch.testing.assert_close(parts, whole, rtol=1e-12, atol=0)


def test_a_memory_mapped_array_is_read_in_blocks(tmp_path):
    h = normal(4, 300, 5, dtype=torch.float32)
    np.save(tmp_path / "h.npy", h.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "h.npy", mmap_mode="r+"))
    torch.testing.assert_close(spectrum(mapped, chunk_rows=64).eigenvalues, spectrum(h).eigenvalues)


def test_rankme_and_effective_rank_equal_slow_loops():
    h = normal(5, 40, 6) * torch.tensor([3.0, 2, 1, 0.5, 0.1, 0.01], dtype=torch.float64) + 1
    raw = np.linalg.svd(h.numpy(), compute_uv=False).tolist()
    shares = [s / sum(raw) + 1e-7 for s in raw]
    assert rankme_of(h) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)), abs=1e-10)
    values = np.linalg.eigvalsh(np.cov(h.numpy().T, bias=True)).tolist()
    shares = [v / sum(values) for v in values]
    assert effective_rank_of(h) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)), abs=1e-10)
    ratio = sum(values) ** 2 / sum(v * v for v in values)
    assert spectrum(h).participation_ratio == pytest.approx(ratio, abs=1e-10)


@pytest.mark.parametrize("dim", [2, 16, 64])
def test_rankme_of_an_orthogonal_matrix_is_its_dimension(dim):
    assert rankme_of(rotation(6, dim)) == pytest.approx(dim, rel=1e-4)
    assert spectrum(rotation(6, dim)).numerical_rank == dim


def test_by_hand_two_unequal_singular_values():
    values = torch.tensor([3.0, 1.0], dtype=torch.float64)
    assert exp_entropy(values) == pytest.approx(4 / 3**0.75, abs=1e-12)
    assert effective_rank(values) == pytest.approx(4 / 3**0.75, abs=1e-12)
    assert participation_ratio(values) == pytest.approx(16 / 10, abs=1e-12)
    assert rankme(values, epsilon=0.25) == pytest.approx(math.exp(-(math.log(1) + 0.5 * math.log(0.5))))


def test_rankme_and_effective_rank_are_different_numbers():
    """E17: the entropy of singular values of the raw matrix is not that of the covariance's eigenvalues."""
    h = normal(7, 4000, 8) * torch.arange(1, 9).double()
    assert rankme_of(h) > effective_rank_of(h) + 0.5


def test_numerical_rank_counts_what_is_above_the_tolerance():
    values = torch.tensor([5.0, 1e-4, 4e-5])
    assert [numerical_rank(values, tolerance=at) for at in (1e-6, 1e-5, 0.5, 1.0)] == [3, 2, 1, 0]


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("number", [3, 19, 20, 512])
def test_alpha_is_the_exponent_of_an_exact_power_law(exponent, number):
    law = alpha_req(7 * torch.arange(1, number + 1).double() ** -exponent)
    assert law.alpha == pytest.approx(exponent, abs=1e-10)
    assert law.r_squared == pytest.approx(1, abs=1e-10)
    assert (law.first, law.last) == (1 if number < 20 else 6, min(number, 100))


def test_alpha_equals_a_weighted_fit_in_slow_loops():
    values = normal(8, 60).abs().sort(descending=True).values
    ranks = range(4, 51)
    weights = [1 / k for k in ranks]
    x, y = [math.log(k) for k in ranks], [math.log(values[k - 1].item()) for k in ranks]
    total = sum(weights)
    mean_x = sum(w * a for w, a in zip(weights, x, strict=True)) / total
    mean_y = sum(w * b for w, b in zip(weights, y, strict=True)) / total
    cross = sum(w * (a - mean_x) * (b - mean_y) for w, a, b in zip(weights, x, y, strict=True))
    square_x = sum(w * (a - mean_x) ** 2 for w, a in zip(weights, x, strict=True))
    square_y = sum(w * (b - mean_y) ** 2 for w, b in zip(weights, y, strict=True))
    law = alpha_req(values, first=4, last=50)
    assert law.alpha == pytest.approx(-cross / square_x, abs=1e-10)
    assert law.r_squared == pytest.approx(cross**2 / (square_x * square_y), abs=1e-10)


def test_alpha_of_too_few_eigenvalues_is_nan():
    assert math.isnan(alpha_req(torch.tensor([1.0, 0.5, 0.0, 0.0])).alpha)


def test_constant_features_have_one_raw_direction_and_no_covariance():
    for seed, scale in enumerate((0.1, 1e6, -3.7, 1e-15)):
        found = spectrum(scale * normal(seed, 1, 8).expand(50, 8), chunk_rows=7)
        assert found.rankme == pytest.approx(1, abs=1e-4)
        assert found.numerical_rank == 1
        assert found.effective_rank == found.participation_ratio == 0
        assert not found.eigenvalues.any()
        assert math.isnan(found.power_law.alpha)


def test_zero_features_have_rank_zero():
    found = spectrum(torch.zeros(5, 3))
    assert (found.rankme, found.numerical_rank, found.effective_rank) == (0, 0, 0)


def test_features_on_a_line_have_rank_one():
    found = spectrum(normal(9, 60, 1) * normal(10, 1, 12))
    assert found.rankme == pytest.approx(1, abs=1e-4)
    assert found.effective_rank == pytest.approx(1, abs=1e-9)
    assert found.numerical_rank == 1


@pytest.mark.parametrize("clusters", [2, 5])
def test_features_at_k_points_have_rank_k_and_a_covariance_of_rank_k_minus_one(clusters):
    found = spectrum(torch.eye(12, dtype=torch.float64)[:clusters].repeat(20, 1))
    assert found.rankme == pytest.approx(clusters, abs=1e-3)
    assert found.numerical_rank == clusters
    assert found.effective_rank == pytest.approx(clusters - 1, abs=1e-9)
    assert found.participation_ratio == pytest.approx(clusters - 1, abs=1e-9)


def test_rows_uniform_on_the_sphere_use_nearly_all_directions():
    h = torch.nn.functional.normalize(normal(11, 4000, 16), dim=1)
    found = spectrum(h)
    assert 15.9 < found.effective_rank < 16
    assert 15.9 < found.rankme < 16.001


def test_fewer_rows_than_features_give_n_values_and_ranks_up_to_n():
    found = spectrum(normal(12, 5, 40), chunk_rows=2)
    assert len(found.singular_values) == len(found.eigenvalues) == 5
    assert found.numerical_rank == 5
    assert 4 < found.rankme < 5.001
    assert found.eigenvalues[4] < 1e-25
    assert found.effective_rank < 4 + 1e-9


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), count=st.integers(3, 20), dim=st.integers(1, 9))
def test_order_rotation_scale_and_chunk_change_nothing(seed, count, dim):
    h = normal(seed, count, dim) + 1
    moved = (
        3.5 * h[torch.randperm(count, generator=torch.Generator().manual_seed(seed))] @ rotation(seed, dim)
    )
    a, b = spectrum(h), spectrum(moved, chunk_rows=1 + seed % 7)
    torch.testing.assert_close(3.5 * a.singular_values, b.singular_values, rtol=1e-9, atol=1e-9)
    assert a.rankme == pytest.approx(b.rankme, rel=1e-9)
    assert a.effective_rank == pytest.approx(b.effective_rank, rel=1e-9)
    assert a.participation_ratio == pytest.approx(b.participation_ratio, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_lower_precision_costs_only_the_rounding_of_the_input(dtype):
    h = normal(13, 500, 10)
    assert rankme_of(h.to(dtype)) == pytest.approx(rankme_of(h.to(dtype).double()), rel=1e-12)
    assert rankme_of(h.to(dtype)) == pytest.approx(rankme_of(h), rel=1e-2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: spectrum(torch.full((3, 2), math.nan)), "row 0 holds a non-finite value"),
        (lambda: spectrum(torch.ones(1, 2)), "spectrum of 1 rows is not defined; expected 2 rows"),
        (lambda: spectrum([]), "spectrum of 0 rows is not defined"),
        (lambda: spectrum(torch.ones(3, 0)), "expected 2 rows of 1 feature or more"),
        (lambda: spectrum([torch.ones(3)]), r"a block has shape \(3,\); expected \[rows, dim\]"),
        (
            lambda: spectrum([torch.ones(3, 2), torch.ones(3, 4)], chunk_rows=3),
            "blocks have 2 and 4 features",
        ),
        (lambda: spectrum(torch.ones(3, 2), chunk_rows=0), "chunk_rows is 0"),
        (lambda: rankme(torch.tensor([1.0, -1.0])), "expected >= 0"),
        (lambda: rankme(torch.tensor([])), "0 values"),
        (lambda: alpha_req(torch.tensor([1.0, math.inf])), "non-finite"),
        (lambda: alpha_req(torch.ones(9), first=5, last=5), "ranks 5 to 5 are no range"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(InputError, match=words):
        call()
