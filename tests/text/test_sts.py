"""Spearman on scored pairs: ties, aggregations, intervals, and the references of counts."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from contrascope.errors import InputError
from contrascope.evaluation.sts import cosines, gain_estimate, joined, spearman, spearman_estimate
from contrascope.evaluation.sts_settings import StsSettings
from contrascope.text.bags import bag_cosines, corpus_counts, word_vectors
from contrascope.text.ragged import Ragged


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def ragged(rows):
    return Ragged.of(
        torch.tensor([one for row in rows for one in row]), torch.tensor([len(row) for row in rows])
    )


def test_it_is_scipy_s_correlation_with_ties():
    x, y = normal(0, 200).mul(3).round(), normal(1, 200).mul(2).round()
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert spearman(torch.ones(5), normal(2, 5)) == 0.0
    with pytest.raises(InputError, match="spearman got 2 and 3 numbers"):
        spearman(x[:2], y[:3])


def test_the_three_aggregations_by_hand():
    first, second = normal(0, 30), normal(1, 10)
    scores = torch.cat([first + normal(2, 30), second - 2 * normal(1, 10)])
    similarity, subsets = torch.cat([first, second]), ["a"] * 30 + ["b"] * 10
    parts = [stats.spearmanr(first, scores[:30]).statistic, stats.spearmanr(second, scores[30:]).statistic]
    assert parts[1] == pytest.approx(-1.0)
    assert joined(similarity, scores, subsets, how="mean") == pytest.approx(sum(parts) / 2)
    assert joined(similarity, scores, subsets, how="wmean") == pytest.approx(
        (30 * parts[0] + 10 * parts[1]) / 40
    )
    assert joined(similarity, scores, subsets, how="all") == pytest.approx(
        stats.spearmanr(similarity, scores).statistic
    )
    with pytest.raises(InputError, match="no aggregation 'sum'; expected one of all, mean, wmean"):
        joined(similarity, scores, subsets, how="sum")


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says():
    truth = 6 / math.pi * math.asin(0.6 / 2)  # Spearman of a normal pair with correlation 0.6
    hits = 0
    for seed in range(100):
        x = normal(seed, 150)
        y = 0.6 * x + 0.8 * normal(1000 + seed, 150)
        found = spearman_estimate(x, y, draws=200, seed=seed)
        hits += found.low <= truth <= found.high
    assert 89 <= hits <= 99


def test_a_gain_is_measured_on_the_same_pairs():
    x = normal(0, 400)
    scores, worse = x + 0.3 * normal(1, 400), x + 3 * normal(2, 400)
    found = gain_estimate(x, worse, scores, draws=100)
    assert found.value == pytest.approx(spearman(x, scores) - spearman(worse, scores))
    assert 0 < found.low < found.value < found.high
    same = gain_estimate(x, x.clone(), scores, draws=50)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_cosines_ignore_length_and_take_the_zero_vector():
    first, second = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[6.0, 8.0], [1.0, 0.0]])
    assert cosines(first, second).tolist() == pytest.approx([1.0, 0.0])


def test_bags_by_hand_and_tf_idf_beside_scikit_learn():
    one, other = ragged([[1, 1, 2], [3]]), ragged([[1, 2, 2], [4]])
    assert bag_cosines(one, other, size=5).tolist() == pytest.approx([4 / 5, 0.0])
    corpus = ragged([[1, 2, 3], [1, 4], [1, 1, 2]])
    found = corpus_counts(corpus, size=5)
    from sklearn.feature_extraction.text import TfidfTransformer

    counts = np.array([[0, 1, 1, 1, 0], [0, 1, 0, 0, 1], [0, 2, 1, 0, 0]])
    assert found.idf[1:].tolist() == pytest.approx(TfidfTransformer().fit(counts).idf_[1:].tolist())
    assert (found.total.tolist(), found.documents.tolist()) == ([0, 4, 2, 1, 1], [0, 3, 2, 1, 1])


def test_word_vectors_put_words_of_like_neighbours_together():
    source = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(600):  # words 0 to 9 stand among 10 to 19, words 20 to 29 among 30 to 39
        base = 20 * int(torch.randint(0, 2, (), generator=source))
        rows.append((base + torch.randint(0, 20, (12,), generator=source)).tolist())
    found = word_vectors(ragged(rows), size=40, dim=8, out=1)
    sentences = found.sentences(ragged([[1, 12], [3, 15], [22, 31], [25, 38]]))
    near = cosines(sentences[[0, 2]], sentences[[1, 3]])
    far = cosines(sentences[[0, 1]], sentences[[2, 3]])
    assert near.min() > far.max() + 0.5
    with pytest.raises(InputError, match="vectors of 300 numbers need a larger corpus; got 600 texts"):
        word_vectors(ragged(rows), size=40)


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match=r"sts.sets has 'sts17'. Did you mean 'sts1"):
        StsSettings(sets=("sts17",))
    with pytest.raises(InputError, match=r"sts.references has 'glove'"):
        StsSettings(references=("glove",))
    with pytest.raises(InputError, match=r"sts.draws is 1"):
        StsSettings(draws=1)
