"""Is it learning? Every word, from gains by hand, and the gains of encoders that are known."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from signal_cases import GOOD, WELL, N, gain, gains, gaussian, signals, views_of

from contrascope.diagnosis.answers import judge
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.learning import hardest
from contrascope.diagnosis.learning_signals import LearningSignals, array_gain
from contrascope.diagnosis.score import label_free_score
from contrascope.records.vocabulary import LearningWord

WELL_KNOWN = signals()
CASES = {
    "far above": (gains(), "learning"),
    "of arrays": (LearningSignals(own=gain(4.0), standard={}, residual={}), "learning"),
    "hardly anything": (gains(0.2, 0.2, residual=0.2), "barely learning"),
    "own views only": (gains(4.0, 0.0), "barely learning"),
    "like the twin": (gains(0.0, 0.0, residual=0.0), "not learning"),
    "worse than the twin": (gains(-2.0, -2.0, residual=-2.0), "not learning"),
    "worse under standard views": (gains(4.0, -2.0), "not learning"),
    "the twin finds nearly all": (gains(0.0, -1.0, random=0.97), "policy too easy to tell"),
    "colours": (gains(bait=0.95, random_bait=0.3), "may rest on a shortcut"),
    "brightness": (gains(residual=-1.0), "may rest on a shortcut"),
    "nothing to compare": (None, "cannot be told"),
}


def learning(found, known=None, **changes):
    return judge(replace(WELL_KNOWN, learning=found, **changes), known=known).learning


@pytest.mark.parametrize("name", CASES)
def test_every_word_is_earned_by_gains(name):
    found, word = CASES[name]
    answer = learning(found)
    assert answer.word == word
    assert answer.evidence
    assert answer.next


def test_no_word_is_left_out():
    assert {word for _, word in CASES.values()} == set(get_args(LearningWord))


def test_the_evidence_holds_shares_and_odds_with_their_intervals():
    answer = learning(gains())
    assert "Under its own views" in answer.evidence[0]
    assert "with random weights in 20.0 % [19.0, 21.0]" in answer.evidence[0]
    assert "odds x 55 [49, 60]" in answer.evidence[0]
    assert "under standard views (crop and colour)" in answer.evidence[1].lower()
    assert "x 55" in answer.reason


def test_nothing_is_said_of_what_is_not_sound():
    answer = judge(replace(WELL_KNOWN, faults=replace(WELL, dead_units=0.9))).learning
    assert (answer.word, answer.reason, answer.evidence) == ("cannot be told", "it is not sound", ())


def test_without_views_or_a_twin_it_says_which_of_them_is_missing():
    assert learning(None).reason == "nothing to compare with"
    one_view = replace(WELL_KNOWN, h=replace(WELL_KNOWN.h, views=None))
    assert judge(replace(one_view, learning=None)).learning.reason == "one view of each image"


def test_the_hardest_standard_views_decide_that_the_images_allow():
    found = gains()
    assert hardest(found) == "crop and colour"
    crops = {name: one for name, one in found.standard.items() if "colour" not in name}
    assert hardest(replace(found, standard=crops)) == "crop"
    assert hardest(replace(found, standard={})) is None
    easy_only = found.standard | {"crop and colour": gain(-2.0)}
    assert learning(replace(found, standard=easy_only)).word == "not learning"


def test_a_policy_that_changes_nothing_is_the_cause():
    easy = gains(0.0, -1.0, random=0.97)
    told = learning(easy, equal_views=1.0)
    assert (told.word, told.reason) == ("policy too easy to tell", "it changes nothing")
    assert "changes nothing on 100 %" in told.cause
    assert "97 % of galleries" in learning(easy).cause
    still = learning(gains(0.0, 0.0, residual=0.0), equal_views=1.0)
    assert "changes nothing on 100 %" in still.cause


def test_colours_are_no_shortcut_where_random_weights_read_them_too():
    assert learning(gains(bait=0.95, random_bait=0.99)).word == "learning"


def test_the_score_is_the_mean_gain_and_none_of_a_checkpoint_that_is_not_chosen():
    def score(found):
        whole = replace(WELL_KNOWN, learning=found)
        return label_free_score(whole, judge(whole))

    assert score(gains(4.0, 3.0)) > score(gains(3.0, 2.0)) > score(gains(2.0, 1.5))
    assert score(gains(0.0, 0.0)) is None
    assert score(None) is None
    broken = replace(WELL_KNOWN, faults=replace(WELL, dead_units=0.9))
    assert label_free_score(broken, judge(broken)) is None


def test_gains_of_arrays_by_hand():
    blind = views_of(gaussian(N, 8), 100.0)
    found = array_gain(GOOD, blind)
    assert found.own.odds.low > 2
    assert found.standard == {}
    swapped = array_gain(blind, GOOD).own.odds
    assert swapped.value == pytest.approx(-found.own.odds.value, abs=1e-12)
    assert array_gain(GOOD, GOOD).own.odds.value == 0.0
    assert array_gain(GOOD[:1], blind[:1]) is None
    assert array_gain(GOOD.where(GOOD < 3, torch.nan), blind) is None
    points = array_gain(GOOD, blind, draws=0).own.odds
    assert points.low == points.value == points.high


def test_a_cause_is_looked_for_in_the_settings():
    nothing = gains(0.0, 0.0, residual=0.0)
    assert "not at hand" in learning(nothing).cause
    assert learning(nothing, Known()).next
