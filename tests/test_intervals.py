import math

import numpy as np
import pytest
import torch

from contrascope import intervals
from contrascope.errors import InputError
from contrascope.intervals import (
    Estimate,
    generator,
    grouped_estimate,
    halves_error,
    images_worth,
    mean_estimate,
    mean_interval,
    percentile_interval,
    random_halves,
    resample_counts,
    share_estimate,
    share_interval,
)
from contrascope.theory.factors.resampled import largest_interval, positive_interval, reflected_interval


def test_the_interval_of_a_mean_is_the_studentised_bootstrap(monkeypatch):
    monkeypatch.setattr(intervals, "BLOCK_DRAWS", 25)
    values = torch.arange(10, dtype=torch.float64) ** 2
    source, ratios = generator(3, "bootstrap", "knn"), []
    for _ in range(20):
        for row in torch.randint(10, (2, 10), generator=source).tolist():
            drawn = np.array([values[i].item() for i in row])
            spread = max(drawn.std(ddof=1) / math.sqrt(10), values.std().item() / math.sqrt(10) / 4)
            ratios.append((drawn.mean() - 28.5) / spread)
    low, high = np.percentile(ratios, [5, 95], method="weibull")
    error = values.std().item() / math.sqrt(10)
    expected = (28.5 - high * error, 28.5 - low * error)
    np.testing.assert_allclose(mean_interval(values, draws=40, level=0.9, seed=3, key="knn"), expected)


def test_a_skewed_mean_reaches_farther_where_the_long_tail_is():
    values = torch.rand(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 8
    found = mean_estimate(values, draws=2000)
    assert found.high - found.value > 1.3 * (found.value - found.low)


def test_the_interval_depends_on_seed_and_key_alone():
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    torch.rand(5)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, seed=1)
    assert mean_interval(values) != mean_interval(values, key="b")


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_interval_of_a_mean_moves_and_grows_with_the_values(scale):
    values = torch.rand(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    base = mean_interval(values)
    assert mean_interval(scale * values + 3 * scale) == pytest.approx([scale * (end + 3) for end in base])


def test_means_of_equal_values_of_one_and_of_two_are_handled():
    assert mean_interval(torch.full((7,), 0.1)) == pytest.approx((0.1, 0.1))
    assert mean_interval(torch.tensor([5.0])) == (5.0, 5.0)
    low, high = mean_interval(torch.tensor([1.0, 3.0]))
    assert low <= 2.0 <= high


def test_the_generator_tells_its_words_apart():
    drawn = {
        torch.rand(1, generator=generator(*key)).item()
        for key in [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1)]
    }
    assert len(drawn) == 5


def test_empty_values_and_wrong_levels_are_refused():
    for measure in (mean_interval, share_interval):
        with pytest.raises(InputError, match="bootstrap of 0 values"):
            measure(torch.empty(0))
        with pytest.raises(InputError, match=r"level=1\.0"):
            measure(torch.ones(2), level=1.0)


def test_counts_are_the_draws_of_the_bootstrap_of_means(monkeypatch):
    values = torch.rand(10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = torch.cat(list(resample_counts(10, draws=40, seed=3, key="a")))
    monkeypatch.setattr(intervals, "BLOCK_DRAWS", 25)
    blocks = list(resample_counts(10, draws=40, seed=3, key="a"))
    assert {len(block) for block in blocks} == {2}
    assert torch.equal(torch.cat(blocks), whole)
    assert torch.equal(torch.cat(list(resample_counts(10, draws=40, seed=3, key="a", block=7))), whole)
    mean = whole @ values / 10
    spread = ((whole @ values.square() - 10 * mean.square()) / 9).sqrt() / math.sqrt(10)
    low, high = percentile_interval((mean - values.mean()) / spread)
    error = values.std().item() / math.sqrt(10)
    centre = values.mean().item()
    expected = (centre - high * error, centre - low * error)
    np.testing.assert_allclose(mean_interval(values, draws=40, seed=3, key="a"), expected)


def test_estimates_without_draws_are_points_and_with_draws_their_interval():
    values = torch.arange(10.0)
    assert mean_estimate(values) == Estimate(value=4.5, low=4.5, high=4.5)
    found = mean_estimate(values, draws=50, seed=1, key="a")
    assert (found.low, found.high) == mean_interval(values, draws=50, seed=1, key="a")
    assert mean_estimate(values, draws=50, within=(4.0, 5.0)) == Estimate(value=4.5, low=4.0, high=5.0)
    hits = (values < 3).float()
    assert share_estimate(hits).low == share_estimate(hits).high == pytest.approx(0.3)
    assert (share_estimate(hits, draws=1).low, share_estimate(hits, draws=1).high) == share_interval(hits)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (1, 30), (15, 30), (700, 1000), (1000, 1000)])
def test_the_interval_of_a_share_is_wilsons(right, n):
    share, z = right / n, 1.959964
    worth = n - 1 if 0 < right < n else n  # the variance has the divisor n - 1
    centre = (share + z * z / (2 * worth)) / (1 + z * z / worth)
    half = z / (1 + z * z / worth) * math.sqrt(share * (1 - share) / worth + z * z / (4 * worth**2))
    low, high = share_interval((torch.arange(n) < right).double())
    assert (low, high) == pytest.approx((max(0, centre - half), min(1, centre + half)), abs=1e-6)
    assert 0 <= low <= share <= high <= 1
    assert low < high


def test_values_between_right_and_wrong_count_as_more_images():
    hits = (torch.arange(400) % 2).double()
    shares = (hits + hits.flip(0).roll(1)) / 2
    assert shares.mean() == hits.mean()
    between = share_interval(0.5 + (hits - 0.5) / 3)
    whole = share_interval(hits)
    assert between[1] - between[0] == pytest.approx((whole[1] - whole[0]) / 3, rel=0.01)
    few = share_interval(hits, images=100.0)
    assert few[1] - few[0] == pytest.approx(2 * (whole[1] - whole[0]), rel=0.02)


def test_halves_of_a_plain_mean_give_its_standard_error():
    source = torch.Generator().manual_seed(1)
    values, half = torch.randn(300, generator=source, dtype=torch.float64), random_halves(300)
    expected = values.std().item() / math.sqrt(300)
    assert halves_error(values.expand(len(half), -1), half) == pytest.approx(expected, rel=0.25)
    hits = (values > 0.5).double().expand(len(half), -1)
    assert images_worth(hits, half) == pytest.approx(300, rel=0.5)
    assert images_worth(torch.ones_like(hits), half) == 300


def test_values_that_all_images_of_a_half_share_are_worth_few_images():
    """Twenty copies of each of ten values: nothing is gained by the copies that fall together."""
    half = random_halves(200)
    block = torch.arange(200) // 20 % 2
    together = half[:, ::20].repeat_interleave(20, dim=1)
    hits = block.double().expand(len(half), -1)
    assert images_worth(hits, together) < 30 < images_worth(hits, half)


def test_the_grouped_jackknife_of_a_mean_is_its_standard_error_and_stays_within():
    source = torch.Generator().manual_seed(2)
    values = torch.randn(400, generator=source, dtype=torch.float64)

    def mean(rows):
        return values[rows].mean().item()

    found = grouped_estimate(mean, 400, draws=1)
    assert found.value == pytest.approx(values.mean().item())
    assert found.high - found.value == pytest.approx(2.02 * values.std().item() / 20, rel=0.35)
    assert grouped_estimate(mean, 400) == Estimate(value=found.value, low=found.value, high=found.value)
    assert grouped_estimate(mean, 400, draws=1, within=(-0.01, 0.01)).high <= 0.01


def test_a_reflected_interval_mirrors_the_draws_and_holds_the_value():
    draws = torch.linspace(2.0, 4.0, 101)
    assert reflected_interval(3.0, draws, level=0.5) == pytest.approx(
        (2.49, 3.51)
    )  # of 101 draws the 25.5-th from below and above
    assert reflected_interval(2.5, draws, level=0.5) == pytest.approx((1.49, 2.51))
    assert reflected_interval(1.0, draws, level=0.5) == pytest.approx((-1.51, 1.0))
    assert reflected_interval(1.0, draws, level=0.5, limit=1.2) == pytest.approx((-1.2, 1.0))
    assert reflected_interval(1.0, torch.empty(0)) == (1.0, 1.0)


def test_a_positive_interval_is_the_reflected_one_of_the_logarithm():
    draws = torch.linspace(1.0, 3.0, 101, dtype=torch.float64).exp()
    low, high = positive_interval(math.exp(2.0), draws, level=0.5)
    assert (math.log(low), math.log(high)) == pytest.approx((1.49, 2.51))
    spoilt = torch.cat([draws, torch.tensor([math.inf, math.nan, 0.0])])
    assert positive_interval(math.exp(2.0), spoilt, level=0.5) == pytest.approx((low, high))
    assert positive_interval(math.inf, draws) == (math.inf, math.inf)
    assert positive_interval(0.0, draws) == (0.0, 0.0)


def test_the_largest_of_one_number_is_its_reflected_interval():
    source = torch.Generator().manual_seed(3)
    draws = 5 + torch.randn(4000, 1, generator=source, dtype=torch.float64)
    found = largest_interval(torch.tensor([5.0]), draws)
    assert found == pytest.approx(reflected_interval(5.0, draws[:, 0]), abs=0.1)


def test_the_largest_of_equal_numbers_lies_lower_than_the_largest_estimate():
    source = torch.Generator().manual_seed(4)
    values = torch.randn(30, generator=source, dtype=torch.float64)
    draws = values + torch.randn(4000, 30, generator=source, dtype=torch.float64)
    low, high = largest_interval(values, draws)
    assert low < 0 < values.max() < high
    alone = largest_interval(values + 50 * (torch.arange(30) == 7), draws + 50 * (torch.arange(30) == 7))
    assert alone[0] > 50 + values[7] - 2.6
    assert largest_interval(values, draws, limit=1.0)[0] >= -1


def test_empty_counts_are_refused():
    with pytest.raises(InputError, match="bootstrap of 0 values"):
        list(resample_counts(0, draws=5))
