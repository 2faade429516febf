import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from contrascope.errors import InputError
from contrascope.evaluation.metric import estimate, in_metric
from contrascope.intervals import share_interval


def drawn(seed, count=40, classes=4):
    source = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (count,), generator=source)
    return torch.randint(classes, (count,), generator=source), y


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_the_mean_per_class_is_scikit_learns_balanced_accuracy(seed):
    guess, y = drawn(seed)
    guess = y.unique()[guess % len(y.unique())]
    ours = in_metric((guess == y).double(), y, "mean_per_class").item()
    assert ours == pytest.approx(balanced_accuracy_score(y.numpy(), guess.numpy()), abs=1e-12)
    slow = sum(float((guess[y == c] == c).double().mean()) for c in y.unique()) / len(y.unique())
    assert ours == pytest.approx(slow, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(["top1", "mean_per_class"]))
def test_the_order_of_images_and_the_names_of_classes_change_nothing(seed, metric):
    guess, y = drawn(seed)
    hits = (guess == y).double()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    assert in_metric(hits[order], 7 - 3 * y[order], metric).item() == pytest.approx(
        in_metric(hits, y, metric).item()
    )


def test_equally_large_classes_make_both_metrics_one():
    hits, y = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([0, 0, 5, 5])
    assert in_metric(hits, y, "top1") == in_metric(hits, y, "mean_per_class") == 0.75


def test_the_interval_of_top1_is_that_of_a_share():
    guess, y = drawn(0)
    hits = (guess == y).double()
    found = estimate(hits, y, "top1", level=0.9)
    assert (found.low, found.high) == pytest.approx(share_interval(hits, level=0.9))


def test_equally_large_classes_give_the_stratified_interval():
    """Classes of 50 with 40, 25 and 10 right: variances of the three shares, added, over nine."""
    y = torch.arange(3).repeat_interleave(50)
    hits = (torch.arange(150) % 50 < torch.tensor([40, 25, 10])[y]).double()
    variance = sum((p * (1 - p) * 50 + 2 * 0.25) / 51 / 50 for p in (0.8, 0.5, 0.2)) / 9
    found = estimate(hits, y, "mean_per_class", level=0.95)
    assert (found.low, found.high) == pytest.approx(
        share_interval(torch.full((150,), 0.5), images=0.25 / variance)
    )
    assert found.high - found.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.02)


@pytest.mark.parametrize("sizes", [(400, 8), (200, 30, 9), (60, 60)])
def test_the_interval_of_the_mean_per_class_covers(sizes):
    source = torch.Generator().manual_seed(sum(sizes))
    rate = torch.linspace(0.9, 0.5, len(sizes), dtype=torch.float64)
    y = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    hit = 0
    for _ in range(400):
        hits = (torch.rand(len(y), generator=source) < rate[y]).double()
        found = estimate(hits, y, "mean_per_class", level=0.95)
        hit += found.low <= rate.mean() <= found.high
    assert 0.92 < hit / 400 < 0.99


def test_one_image_a_class_and_no_wrong_one_have_an_interval():
    y = torch.arange(20)
    assert estimate(torch.ones(20), y, "mean_per_class", level=0.95).low < 0.9
    half = estimate((y % 2).double(), y, "mean_per_class", level=0.95)
    assert (half.low, half.high) == pytest.approx(share_interval((y % 2).double()), abs=0.02)


def test_no_image_and_an_unknown_metric_are_refused():
    with pytest.raises(InputError, match="no test images to score"):
        in_metric(torch.zeros(0), torch.zeros(0, dtype=torch.int64), "top1")
    with pytest.raises(InputError, match="metric='top5' is not known"):
        in_metric(torch.ones(2), torch.zeros(2, dtype=torch.int64), "top5")
