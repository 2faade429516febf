"""The vocabulary is whole: no word twice, none that no producer fills, none that a producer fills and it lacks."""

import dataclasses
import typing
from dataclasses import asdict

import pytest
import torch

from contrascope.advice import advisor
from contrascope.diagnosis.factors import factors
from contrascope.diagnosis.layers import layer_details
from contrascope.diagnosis.learning_signals import BOTH, LearningSignals
from contrascope.diagnosis.monitor.rows import monitor_row
from contrascope.diagnosis.signals import layer_signals
from contrascope.diagnosis.standard_views import standard_policies
from contrascope.intervals import Estimate
from contrascope.records import row_words
from contrascope.records.forgetting import ForgettingWord
from contrascope.records.lookup import numbers, shown_measures, value_at, verdict_word
from contrascope.records.vocabulary import (
    ANSWERS,
    DETAILS,
    FACTORS,
    LEARNING,
    OPERATION_WORDS,
    QUESTIONS,
    SIGNALS,
    SLOPES,
    LearningWord,
    Question,
    SoundWord,
    UsefulWord,
)
from contrascope.theory.bounds.lipschitz import LipschitzEstimate
from contrascope.theory.factors.gallery_recall import RecallGain


@pytest.fixture(scope="module")
def rows():
    return torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))


def filled(tree, words):
    """Paths that a producer fills, and those of the vocabulary."""
    return sorted(numbers(tree)), sorted(one.path for one in words)


def test_every_number_of_a_layer_has_a_word_and_every_word_a_number(rows):
    found = layer_signals(rows, statistics=torch.rand(64, 3), draws=0)
    made, known = filled(asdict(found), SIGNALS)
    assert made == known
    assert {one.path: value_at(asdict(found), one.path) for one in SIGNALS if one.path != "alpha"}


def test_every_number_of_factors_and_details_has_a_word_and_every_word_a_number(rows):
    found = asdict(factors(rows, torch.arange(64) % 2, labels="label", draws=0))
    kept = {
        key: value for key, value in found.items() if key not in ("labels", "pseudo", "classes", "bounds")
    }
    made, known = filled(kept, FACTORS)
    assert made == known
    made, known = filled(asdict(layer_details(rows, draws=0)), DETAILS)
    assert made == known
    assert sorted(one.path for one in SLOPES) == sorted(
        field.name for field in dataclasses.fields(LipschitzEstimate)
    )


def test_a_number_that_the_vocabulary_lacks_is_shown_under_its_path():
    found = shown_measures([{"dim": 8, "views": {"new": {"value": 1.0, "low": 0.5, "high": 2.0}}}], SIGNALS)
    assert found[:-1] == list(SIGNALS)
    assert found[-1].path == found[-1].title == "views.new"


def test_every_gain_of_learning_has_a_word_and_every_word_a_gain():
    some = Estimate(value=0.5, low=0.4, high=0.6)
    gain = RecallGain(trained=some, random=some, odds=some)
    kinds = {name: gain for name in (*standard_policies(3), BOTH)}
    found = LearningSignals(
        own=gain, standard=kinds, residual={"own": gain, **kinds}, bait=some, random_bait=some
    )
    made, known = filled(asdict(found), LEARNING)
    assert made == known


def test_answers_are_those_of_the_three_questions_and_each_has_a_sign():
    words = {one.word for one in ANSWERS}
    asked = [typing.get_args(one) for one in (SoundWord, LearningWord, UsefulWord, ForgettingWord)]
    assert words == {*(word for some in asked for word in some), "not diagnosed"}
    assert list(QUESTIONS) == list(typing.get_args(Question))
    assert {one.word for one in OPERATION_WORDS} == set(typing.get_args(advisor.Word))
    assert all(one.sign for one in (*ANSWERS, *OPERATION_WORDS))
    assert {one.word for one in ANSWERS if not one.ok} == {
        "unsound",
        "not learning",
        "not useful",
        "forgotten",
    }
    assert [one.word for one in ANSWERS if one.grave] == ["unsound"]
    assert verdict_word("mended").tone == "bad"


@pytest.mark.parametrize("words", [SIGNALS, LEARNING, FACTORS, DETAILS, SLOPES, row_words.ROWS], ids=range(6))
def test_no_path_and_no_title_stands_twice(words):
    paths = [(getattr(one, "path", None) or one.key, getattr(one, "layered", False)) for one in words]
    assert len(set(paths)) == len(paths)


def test_the_monitor_follows_what_the_vocabulary_names(rows):
    from contrascope.diagnosis.answers import judge
    from contrascope.diagnosis.diagnosis import array_signals

    signals = array_signals(rows, rows[..., :4], draws=0)
    row = monitor_row(signals, judge(signals))
    keys = {f"{layer}_{one.row}" for one in SIGNALS for layer in "hz" if one.row}
    assert {key for key, value in row.items() if isinstance(value, float)} == keys
    assert row["sound"]
    assert row["learning"]
    assert row["z_retrieval"] == signals.z.views.retrieval.value
    assert all(row_words.row_word(key) for key in keys)
