import pytest
from paper_cases import entry, record
from scipy import stats

from contrascope.papers.values import (
    NotMeasuredError,
    SeedValues,
    by_seed,
    correlation,
    enough,
    falls_by,
    spearman,
    whole_seeds,
)


def test_numbers_of_a_seed_are_had_by_cell_and_name_and_what_is_missing_is_named():
    seed = SeedValues([entry("a", "0", knn=50.0, curves={"rank": (1.0, 2.0, 3.0)})])
    assert seed("a", "knn") == 50.0
    assert [seed("a", f"rank@{place}") for place in (0, 2, -1)] == [1.0, 3.0, 3.0]
    for cell, name in (("b", "knn"), ("a", "error"), ("a", "rank@3"), ("a", "loss@0")):
        with pytest.raises(NotMeasuredError, match=cell):
            seed(cell, name)


def test_what_needs_no_run_counts_with_every_seed():
    table = record(entry("a", "0", knn=1.0), entry("a", "1", knn=2.0), entry("alone", "", rank=7.0))
    seeds = by_seed(table)
    assert list(seeds) == ["0", "1"]
    assert [seed("alone", "rank") for seed in seeds.values()] == [7.0, 7.0]
    assert by_seed(record(entry("alone", "", rank=7.0)))["0"]("alone", "rank") == 7.0
    assert by_seed(record()) == {}


def test_a_seed_counts_when_all_its_cells_are_over():
    first = [entry("a", "0", knn=1.0), entry("b", "0", knn=1.0)]
    assert whole_seeds(record(*first), ["a", "b"]) == ["0"]
    assert whole_seeds(record(*first, entry("a", "1", knn=1.0)), ["a", "b"]) == ["0"]
    assert whole_seeds(record(*first, entry("a", "1", knn=1.0), entry("b", "1")), ["a", "b"]) == ["0"]
    broken = entry("b", "1", state="diverged")
    assert whole_seeds(record(*first, entry("a", "1", knn=1.0), broken), ["a", "b"]) == ["0", "1"]


def test_rank_correlation_is_scipys():
    ours, theirs = [3.0, 1.0, 1.0, 9.0, 4.0], [1.0, 2.0, 0.0, 8.0, 8.0]
    assert spearman(ours, theirs) == pytest.approx(stats.spearmanr(ours, theirs).statistic)
    assert correlation(ours, theirs) == pytest.approx(stats.pearsonr(ours, theirs).statistic)


def test_an_order_falls_by_its_smallest_step_and_enough_is_a_count():
    assert falls_by([5.0, 3.0, 2.5]) == 0.5
    assert falls_by([5.0, 3.0, 3.5]) == -0.5
    assert [enough([1.0, -1.0, 2.0, 3.0], count) > 0 for count in (3, 4)] == [True, False]
