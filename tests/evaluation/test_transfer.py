import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from contrascope.errors import InputError
from contrascope.evaluation.suites import TransferProtocol
from contrascope.evaluation.transfer import few_labels, linear, mean_of, mean_ranks, validation_mask
from contrascope.features.features import Features

PROTOCOL = TransferProtocol(penalties=6, powers=(-3.0, 3.0), tolerance=1e-8, shots=(1, 3), draws=7)


def features(count, seed, classes=4, dim=6):
    source = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % classes if seed else torch.randint(classes, (count,), generator=source)
    h = torch.randn(count, dim, generator=source) + torch.eye(dim)[y]
    return Features(h=h[None], y={"label": y}, ids=torch.arange(count))


def test_the_grid_is_45_values_of_the_penalty_from_1e_minus_6_to_1e5():
    expected = 1 / np.logspace(-6, 5, 45)
    np.testing.assert_allclose(sorted(TransferProtocol().grid), sorted(expected), rtol=1e-12)


@pytest.mark.parametrize("metric", ["top1", "mean_per_class"])
def test_linear_is_the_protocol_written_out_with_scikit_learn(metric):
    train, validation, test = features(80, 1), features(40, 2), features(70, 0)
    accuracy = {"top1": lambda y, g: float(np.mean(y == g)), "mean_per_class": balanced_accuracy_score}[
        metric
    ]
    parts = [(part.h[0].double().numpy(), part.labels().numpy()) for part in (train, validation, test)]
    (h, y), (vh, vy), (th, ty) = parts

    def fitted(h, y, c):
        return LogisticRegression(C=c, tol=1e-9, max_iter=50_000).fit(h, y)

    by_c = {c: accuracy(vy, fitted(h, y, c).predict(vh)) for c in sorted(PROTOCOL.grid)}
    best = max(by_c, key=lambda c: (by_c[c], -c))
    expected = accuracy(ty, fitted(np.concatenate([h, vh]), np.concatenate([y, vy]), best).predict(th))
    found = linear(train, test, validation=validation, metric=metric, protocol=PROTOCOL)
    assert found.chosen == f"C {best:.3g}"
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert (found.n, found.train, found.classes, found.metric) == (70, 120, 4, metric)
    assert found.low <= found.value <= found.high


def test_without_a_validation_part_a_share_of_train_is_used():
    train, test = features(100, 1), features(60, 2)
    mask = validation_mask(train.labels(), PROTOCOL)
    assert int(mask.sum()) == 20
    kept = Features(h=train.h[:, ~mask], y={"label": train.labels()[~mask]}, ids=torch.arange(80))
    out = Features(h=train.h[:, mask], y={"label": train.labels()[mask]}, ids=torch.arange(20))
    drawn = linear(train, test, validation=None, metric="top1", protocol=PROTOCOL)
    given_ = linear(kept, test, validation=out, metric="top1", protocol=PROTOCOL)
    assert (drawn.value, drawn.chosen, drawn.train) == (given_.value, given_.chosen, given_.train)


def test_a_test_class_that_train_lacks_is_wrong():
    train, test = features(80, 1), features(8, 2)
    both = Features(h=test.h, y={"label": torch.full((8,), 9)}, ids=test.ids)
    assert linear(train, both, validation=None, metric="top1", protocol=PROTOCOL).value == 0.0


def test_few_labels_of_classes_far_apart_are_enough():
    train, test = features(40, 1), features(30, 0)
    found = few_labels(train, test, validation=None, metric="mean_per_class", shots=3, protocol=PROTOCOL)
    assert (found.mode, found.train, found.n, found.chosen) == ("few_labels_3", 12, 30, None)
    far = Features(h=train.h * 0 + 50 * torch.eye(6)[train.labels()][None], y=train.y, ids=train.ids)
    sure = Features(h=50 * torch.eye(6)[test.labels()][None], y=test.y, ids=test.ids)
    perfect = few_labels(far, sure, validation=None, metric="top1", shots=1, protocol=PROTOCOL)
    assert (perfect.value, perfect.high, perfect.std) == (1.0, 1.0, 0.0)
    assert 0.85 < perfect.low < 0.9
    assert 0.25 < found.value < 1.0
    assert found.std > 0


def test_the_validation_part_counts_among_the_few_labels():
    train, validation = features(4, 1), features(4, 2)
    test = features(20, 3)
    found = few_labels(train, test, validation=validation, metric="top1", shots=2, protocol=PROTOCOL)
    assert found.train == 8
    with pytest.raises(InputError, match="shots=2 labels asked of class 0, which has 1"):
        few_labels(train, test, validation=None, metric="top1", shots=2, protocol=PROTOCOL)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=3, max_size=3), min_size=1, max_size=5))
def test_mean_ranks_are_scipys(table):
    scores = {f"row {i}": {f"set {j}": value for j, value in enumerate(row)} for i, row in enumerate(table)}
    expected = np.mean([rankdata([-row[j] for row in table]) for j in range(3)], axis=0)
    assert list(mean_ranks(scores).values()) == pytest.approx(expected.tolist())


def test_a_missing_set_is_named_in_the_mean_and_left_out_of_the_ranks_of_all():
    assert mean_of([0.25, None, 0.75]) == (0.5, "mean of the 2 available of 3")
    assert mean_of([None, None]) == (None, "no mean: none of 2 available")
    ranks = mean_ranks({"a": {"x": 0.9, "y": None}, "b": {"x": 0.8, "y": 0.9}})
    assert ranks == {"a": 1.0, "b": 2.0}
    assert mean_ranks({"a": {"y": None}, "b": {"y": 0.9}}) == {"a": None, "b": None}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"penalties": 0}, "penalties=0; expected low <= high"),
        ({"powers": (2.0, 1.0)}, r"powers=\(2.0, 1.0\)"),
        ({"train_images": 0}, "0 images of a set are too few; expected at least 10"),
        ({"test_images": 9}, "9 images of a set are too few"),
    ],
)
def test_a_wrong_protocol_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        TransferProtocol(**wrong)


def test_the_hash_is_of_what_decides_a_number():
    base = TransferProtocol()
    assert TransferProtocol(modes=("linear",)).hash == base.hash
    assert TransferProtocol(references=False).hash == base.hash
    different = {"seed": 1, "size": 32, "draws": 9, "train_images": 50, "test_images": 50}
    changed = [TransferProtocol(**{name: value}) for name, value in different.items()]
    assert len({base.hash, *(one.hash for one in changed)}) == 6
