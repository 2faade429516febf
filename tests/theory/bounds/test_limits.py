"""Limits on new images: exact at none wrong, above the exact binomial limit, and right for weights and two halves."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from contrascope.errors import InputError
from contrascope.theory.bounds.limits import (
    least_common_product,
    most_alignment,
    share_limit,
    unrelated_alignment,
)


@pytest.mark.parametrize("n", [5, 59, 1000])
def test_with_none_wrong_it_is_the_exact_limit(n):
    assert share_limit(0.0, n) == pytest.approx(1 - 0.05 ** (1 / n))


def test_with_all_wrong_nothing_is_excluded():
    assert share_limit(1.0, 10) == 1.0


@given(n=st.integers(2, 500), share=st.floats(0, 1))
def test_it_lies_above_the_exact_binomial_limit_and_not_far(n, share):
    wrong = round(share * n)
    limit = share_limit(wrong / n, n)
    exact = 1.0 if wrong == n else beta.ppf(0.95, wrong + 1, n - wrong)
    assert exact - 1e-9 <= limit <= exact + 1.5 / math.sqrt(n)


@given(one=st.floats(0, 1), two=st.floats(0, 1), n=st.floats(1, 1e4))
def test_more_wrong_raises_it_and_more_images_lower_it(one, two, n):
    low, high = sorted([one, two])
    assert low <= share_limit(low, n) <= share_limit(high, n) + 1e-12
    assert share_limit(low, 2 * n) <= share_limit(low, n) + 1e-12


def test_a_weighted_share_of_unequal_coins_is_above_its_limit_once_in_twenty_at_most():
    source = torch.Generator().manual_seed(0)
    missed = 0
    for _ in range(400):
        weights = torch.rand(40, generator=source, dtype=torch.float64) + 0.1
        weights = weights / weights.sum()
        chance = torch.rand(40, generator=source, dtype=torch.float64) ** 3
        share = (weights * torch.bernoulli(chance, generator=source)).sum().item()
        missed += (weights * chance).sum().item() > share_limit(share, 1 / weights.max().item())
    assert missed <= 20


def test_embeddings_set_what_an_alignment_may_be():
    assert most_alignment(1.0, 1.0, None) is None
    assert most_alignment(1.0, 1.0, 100) == pytest.approx(4 * share_limit(0.25, 100))
    assert most_alignment(4.0, 2.0, 100) == pytest.approx(16 * share_limit(0.25, 100))
    assert unrelated_alignment(None, 1.0) == 2.0


def test_equal_means_of_many_vectors_leave_their_whole_product():
    norms = torch.full((2,), 0.49)
    assert least_common_product(norms, torch.tensor([10**9, 10**9])) == pytest.approx(0.49, abs=1e-6)


@pytest.mark.parametrize(("share", "size"), [(-0.1, 10.0), (1.1, 10.0), (0.5, -1.0), (math.nan, 10.0)])
def test_impossible_numbers_are_refused(share, size):
    with pytest.raises(InputError, match="expected a number in"):
        share_limit(share, size)
