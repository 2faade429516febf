import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from contrascope.errors import InputError
from contrascope.evaluation.metric import estimate, in_metric
from contrascope.intervals import bootstrap_interval, resample_counts

DRAWS = {"draws": 200, "level": 0.9, "seed": 3, "key": "k"}


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


def test_the_interval_of_top1_is_the_bootstrap_of_the_mean():
    guess, y = drawn(0)
    hits = (guess == y).double()
    found = estimate(hits, y, "top1", **DRAWS)
    assert (found.low, found.high) == pytest.approx(bootstrap_interval(hits, **DRAWS))


def test_the_interval_of_the_mean_per_class_is_that_of_slow_resampling():
    guess, y = drawn(1, count=15)
    hits = (guess == y).double()
    slow = []
    for block in resample_counts(15, draws=200, seed=3, key="k"):
        for counts in block:
            rows = torch.cat([torch.full((int(c),), i) for i, c in enumerate(counts)]).long()
            classes = y[rows].unique()
            slow.append(sum(hits[rows][y[rows] == c].mean() for c in classes) / len(classes))
    ends = torch.quantile(torch.stack(slow), torch.tensor([0.05, 0.95], dtype=torch.float64)).tolist()
    found = estimate(hits, y, "mean_per_class", **DRAWS)
    assert [found.low, found.high] == pytest.approx(ends, abs=1e-10)


def test_no_image_and_an_unknown_metric_are_refused():
    with pytest.raises(InputError, match="no test images to score"):
        in_metric(torch.zeros(0), torch.zeros(0, dtype=torch.int64), "top1")
    with pytest.raises(InputError, match="metric='top5' is not known"):
        in_metric(torch.ones(2), torch.zeros(2, dtype=torch.int64), "top5")
