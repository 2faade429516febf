import random
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
from sweep_cases import record

from contrascope.records.sweeps import DIVERGED, DROPPED, WAITING, AxisEntry
from contrascope.sweeps.compared import compare_settings, seeds_mean, told_apart
from contrascope.terminal.sweeps import show_sweep

CLEAR = {"0.1": [0.90, 0.91, 0.92], "0.2": [0.70, 0.72, 0.71]}
CLOSE = {"0.1": [0.90, 0.80, 0.85], "0.2": [0.82, 0.88, 0.84]}


def row(result, name):
    return next(one for one in result.rows if one.name == name)


def test_means_intervals_and_the_best_by_hand():
    result = compare_settings(record(CLEAR, test={"0.1": [0.5, 0.6, 0.7], "0.2": [0.9, 0.9, 0.9]}))
    found = row(result, "temperature=0.1")
    half = 4.302653 * 0.01 / 3**0.5
    assert found.knn_held_out.value == pytest.approx(0.91)
    assert found.knn_held_out.low == pytest.approx(0.91 - half, abs=1e-6)
    assert found.knn_held_out.high == pytest.approx(0.91 + half, abs=1e-6)
    assert found.knn_test.value == pytest.approx(0.6)
    assert (result.best, result.by) == ("temperature=0.1", "knn_held_out")  # test images choose nothing
    assert row(result, "temperature=0.2").apart is True
    assert "better than every other setting" in result.notes[-1]
    assert "WARNING" not in show_sweep(record(CLEAR), Path("x"), page=None)


def test_differences_within_the_spread_of_the_seeds_are_warned_of():
    result = compare_settings(record(CLOSE))
    assert result.best == "temperature=0.1"
    assert row(result, "temperature=0.2").apart is False
    assert result.notes[-1].startswith("WARNING: the differences to temperature=0.2 lie within the spread")
    text = show_sweep(record(CLOSE), Path("x"), page=None)
    assert "not shown to be better" in text
    assert "First by kNN on held-out training images: temperature=0.1, 85.0 (95 %: 72.6 to 97.4)" in text


def test_fewer_than_three_seeds_tell_nothing_apart():
    assert not told_apart([0.9, 0.9], [0.1, 0.1], settings=2)
    result = compare_settings(record({"0.1": [0.9], "0.2": [0.1]}))
    assert "With 1 seed nothing can be told apart" in result.notes[-1]
    assert row(result, "temperature=0.1").knn_held_out.low is None


def test_a_sweep_that_stopped_compares_the_seeds_that_all_settings_have():
    states = {("0.2", 2): WAITING}
    result = compare_settings(record({"0.1": [0.7, 0.7, 0.99], "0.2": [0.8, 0.8, 0.8]}, states=states))
    assert result.seeds == ("0", "1")
    assert row(result, "temperature=0.1").knn_held_out.value == pytest.approx(0.7)
    assert result.best == "temperature=0.2"
    assert "1 of 6 trials are not finished" in result.notes[0]


def test_a_setting_with_a_seed_that_diverged_has_no_mean():
    result = compare_settings(
        record({"0.1": [0.9, 0.9, 0.9], "0.2": [0.8] * 3}, states={("0.1", 1): DIVERGED})
    )
    assert row(result, "temperature=0.1").knn_held_out is None
    assert row(result, "temperature=0.1").note == "1 diverged"
    assert result.best == "temperature=0.2"
    assert result.seeds == ("0", "1", "2")


def test_settings_that_a_rung_left_are_no_part_of_the_comparison():
    states = {("0.1", seed): DROPPED for seed in range(3)}
    result = compare_settings(record({"0.1": [0.99] * 3, "0.2": [0.8] * 3}, states=states))
    assert result.best == "temperature=0.2"
    assert row(result, "temperature=0.1").knn_held_out is None


def test_scores_of_other_tasks_name_no_best():
    found = record(CLEAR, path="data.source")
    assert compare_settings(found).best == ""
    assert "scores those of other tasks" in compare_settings(found).notes[0]
    assert compare_settings(record(CLEAR, path="data.size")).best == "size=0.1"


def test_the_label_free_score_chooses_only_where_it_compares():
    none = {name: [None] * 3 for name in CLEAR}
    result = compare_settings(record(none, free=CLEAR))
    assert (result.by, result.best) == ("label_free", "temperature=0.1")
    assert "it is a hint" in result.notes[0]
    for path in ("method", "policy.name", "encoder.name"):
        other = compare_settings(record(none, free=CLEAR, path=path))
        assert (other.best, other.by) == ("", None)
    some = record(none, free={**CLEAR, "0.1": [0.9, None, 0.9]})
    assert compare_settings(some).best == "temperature=0.2"
    assert compare_settings(record(none)).best == ""


def test_nothing_finished_is_a_table_without_a_best():
    found = record(CLEAR, states={(name, seed): WAITING for name in CLEAR for seed in range(3)})
    result = compare_settings(found)
    assert (result.seeds, result.best) == ((), "")
    assert "none so far" in show_sweep(found, Path("x"), page=None)
    empty = replace(found, grid=(AxisEntry(path="a", values=()),), trials=())
    assert compare_settings(empty).rows == ()


def test_equal_settings_are_called_different_at_most_as_often_as_is_said():
    chance, wrong, sweeps = random.Random(0), 0, 1000
    for _ in range(sweeps):
        common = [chance.gauss(0, 0.02) for _ in range(3)]
        found = [[round(250 * (0.9 + c + chance.gauss(0, 0.01))) / 250 for c in common] for _ in range(4)]
        best = max(found, key=mean)
        wrong += any(told_apart(best, one, settings=4) for one in found if one is not best)
    assert wrong / sweeps <= 0.05


def test_the_interval_over_seeds_covers_what_it_names():
    chance, inside = random.Random(1), 0
    for _ in range(2000):
        found = seeds_mean([chance.gauss(0.5, 0.03) for _ in range(4)], most=1.0)
        inside += found.low <= 0.5 <= found.high
    assert 0.93 <= inside / 2000 <= 0.97
