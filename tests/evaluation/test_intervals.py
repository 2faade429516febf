import numpy as np
import pytest
import torch

from contrascope.errors import InputError
from contrascope.evaluation import intervals
from contrascope.evaluation.intervals import bootstrap_interval, generator


def test_the_interval_is_the_percentile_of_resampled_means(monkeypatch):
    monkeypatch.setattr(intervals, "BLOCK_DRAWS", 25)
    values = torch.arange(10, dtype=torch.float64)
    source = generator(3, "bootstrap", "knn")
    means = []
    for _ in range(20):
        rows = torch.randint(10, (2, 10), generator=source)
        means += [sum(values[i].item() for i in row) / 10 for row in rows]
    expected = np.percentile(means, [5, 95])
    np.testing.assert_allclose(bootstrap_interval(values, draws=40, level=0.9, seed=3, key="knn"), expected)


def test_the_interval_of_a_share_is_near_the_normal_one():
    values = (torch.arange(1000) < 700).float()
    low, high = bootstrap_interval(values, draws=4000)
    half = 1.96 * (0.7 * 0.3 / 1000) ** 0.5
    assert abs(low - (0.7 - half)) < 0.004
    assert abs(high - (0.7 + half)) < 0.004


def test_the_interval_depends_on_seed_and_key_alone():
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    torch.rand(5)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values) != bootstrap_interval(values, key="b")


def test_the_generator_tells_its_words_apart():
    drawn = {
        torch.rand(1, generator=generator(*key)).item()
        for key in [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1)]
    }
    assert len(drawn) == 5


def test_empty_values_and_wrong_levels_are_refused():
    with pytest.raises(InputError, match="bootstrap of 0 values"):
        bootstrap_interval(torch.empty(0))
    with pytest.raises(InputError, match=r"level=1\.0"):
        bootstrap_interval(torch.ones(2), level=1.0)
