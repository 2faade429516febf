import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from contrascope.errors import InputError
from contrascope.evaluation.knn import KNNClassifier

few = settings(derandomize=True, deadline=None, max_examples=15)


def drawn(count=60, dim=5, classes=4, seed=0):
    source = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (count,), generator=source)
    y[:classes] = torch.arange(classes)
    return torch.randn(count, dim, dtype=torch.float64, generator=source) + torch.eye(dim)[y], y


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (20, 0.1), (60, 0.07), (60, 1.0)])
def test_votes_equal_scikit_learns_with_the_same_weights(k, temperature):
    (h, y), (query, _) = drawn(), drawn(seed=1)
    theirs = KNeighborsClassifier(
        n_neighbors=k,
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp((1 - distance) / temperature),
    ).fit(h.numpy(), y.numpy())
    ours = KNNClassifier(k=k, temperature=temperature).fit(h, y)
    np.testing.assert_allclose(ours.predict_proba(query), theirs.predict_proba(query.numpy()), atol=1e-10)
    assert np.array_equal(ours.predict(query), theirs.predict(query.numpy()))


def test_votes_by_hand():
    bank = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
    probability = (
        KNNClassifier(k=3, temperature=0.5).fit(bank, torch.tensor([0, 1, 1])).predict_proba(bank[:1])
    )
    one = math.exp(1 / 0.5)
    np.testing.assert_allclose(probability, [[one / (one + 2), 2 / (one + 2)]], rtol=1e-6)


def test_a_tiny_temperature_does_not_overflow():
    h, y = drawn()
    probability = KNNClassifier(k=60, temperature=1e-4).fit(h, y).predict_proba(h)
    np.testing.assert_allclose(probability[np.arange(60), y.numpy()], 1.0)


@few
@given(seed=st.integers(0, 2**31 - 1), factor=st.floats(0.01, 100))
def test_lengths_of_rows_do_not_matter(seed, factor):
    h, y = drawn(seed=seed)
    lengths = torch.rand(60, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + factor
    plain = KNNClassifier(k=7, temperature=0.1).fit(h, y).predict_proba(h)
    np.testing.assert_allclose(
        KNNClassifier(k=7, temperature=0.1).fit(h * lengths, y).predict_proba(h), plain
    )


def test_equal_votes_go_to_the_lower_class():
    ours = KNNClassifier(k=2, temperature=0.1).fit(
        torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([9, 4])
    )
    assert ours.predict(torch.tensor([[1.0, 1.0]])).tolist() == [4]


def test_more_neighbours_than_rows_and_a_zero_temperature_are_refused():
    h, y = drawn()
    with pytest.raises(
        InputError, match=r"k=61 neighbours asked of a bank of n_samples = 60. Choose 1 <= k <= 60"
    ):
        KNNClassifier(k=61, temperature=0.1).fit(h, y)
    with pytest.raises(InputError, match=r"temperature is 0\.0; expected a finite number above zero"):
        KNNClassifier(k=1, temperature=0.0).fit(h, y)
