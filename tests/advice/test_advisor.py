import pytest

from contrascope.advice.advisor import (
    Background,
    Level,
    OperationFacts,
    judge_operation,
    neighbours_know,
)
from contrascope.advice.ranking import Scored, ranking
from contrascope.errors import InputError
from contrascope.intervals import Estimate


def about(value, width=0.02):
    return Estimate(value=value, low=value - width, high=value + width)


def level(strength, *, changed=1.0, moved=0.1, identity=0.9, lost=None):
    kept = None if lost is None else about(1 - lost)
    return Level(
        strength=strength,
        changed=changed,
        moved=moved * strength,
        identity=about(identity),
        kept=kept,
        lost=None if lost is None else about(lost),
    )


def facts(*levels, mirrors=False):
    return OperationFacts(name="op", unit="strength {:g}", levels=levels, mirrors=mirrors)


def background(*, groups="label", labelled=True, known=0.9, chance=0.1, handed=0.5):
    return Background(
        groups=groups,
        labelled=labelled,
        known=None if known is None else about(known),
        chance=chance,
        handed=about(handed),
    )


def judged(*levels, mirrors=False, **more):
    return judge_operation(facts(*levels, mirrors=mirrors), background(**more))


def test_what_changes_nothing_at_full_strength_is_a_no_op():
    verdict = judged(level(0.5, changed=0.0), level(1.0, changed=0.005))
    assert (verdict.word, verdict.strength) == ("no-op", None)
    assert "even at strength 1" in verdict.reason


def test_what_loses_the_classes_is_destructive_and_may_be_used_as_far_as_nothing_is_lost():
    verdict = judged(level(0.25, lost=0.02), level(0.5, lost=0.5), level(1.0, lost=0.8))
    assert (verdict.word, verdict.strength) == ("destructive", 0.25)
    assert "At strength 0.5 views lose 50 % (48 to 52 %) of what neighbours know of label" in verdict.reason
    assert verdict.reason.endswith("Up to strength 0.25 it may be used: 2 % is lost.")


def test_what_loses_the_classes_at_every_strength_is_left_out():
    verdict = judged(level(0.5, lost=0.5), level(1.0, lost=0.8))
    assert (verdict.word, verdict.strength) == ("destructive", None)
    assert verdict.reason.endswith("Leave it out.")


def test_a_loss_between_harmless_and_destructive_is_not_recommended():
    verdict = judged(level(0.5, lost=0.05), level(1.0, lost=0.25))
    assert (verdict.word, verdict.strength) == ("useful", 0.5)


def test_an_uncertain_loss_is_no_proof_of_destruction():
    wide = Estimate(value=0.5, low=0.2, high=0.8)
    one = level(1.0)
    unsure = Level(**{**vars(one), "lost": wide, "kept": wide})
    assert judged(unsure).word == "useful"


def test_views_that_forget_their_image_are_destroyed_even_without_labels():
    verdict = judged(
        level(0.5, identity=0.9), level(1.0, identity=0.01), groups="", labelled=False, known=None
    )
    assert (verdict.word, verdict.strength) == ("destructive", 0.5)
    assert "only 1 % of the views are nearest to their own image" in verdict.reason
    assert verdict.reason.endswith("Up to strength 0.5 it may be used.")


def test_a_flip_of_handed_images_is_destructive_unless_labels_show_that_nothing_is_lost():
    unlabelled = {"groups": "", "labelled": False, "known": None}
    assert judged(level(1.0), mirrors=True, handed=0.95, **unlabelled).word == "destructive"
    assert judged(level(1.0), mirrors=True, handed=0.5, **unlabelled).word == "useful"
    assert judged(level(1.0), mirrors=False, handed=0.95, **unlabelled).word == "useful"
    assert judged(level(1.0, lost=0.01), mirrors=True, handed=0.95).word == "useful"
    warned = judged(level(1.0, lost=0.3), mirrors=True, handed=0.95)
    assert warned.word == "destructive"
    assert "tells 95 % (93 to 97 %) of the images from their mirror images" in warned.reason
    assert "they lose 30 %" in warned.reason


def test_groups_without_labels_never_excuse_a_flip_of_handed_images():
    assert judged(level(1.0, lost=0.0), mirrors=True, handed=0.95, groups="hue", labelled=False).word == (
        "destructive"
    )


def test_strength_that_moves_nothing_further_is_saturated():
    levels = [level(s, moved=m / s) for s, m in ((1.0, 0.05), (2.0, 0.099), (4.0, 0.1))]
    verdict = judged(*levels)
    assert (verdict.word, verdict.strength) == ("saturated", 2.0)
    assert "0.099 against 0.100" in verdict.reason


def test_a_useful_operation_says_what_neighbours_know_or_that_they_know_too_little():
    assert "Loses 3 %" in judged(level(1.0, lost=0.03)).reason
    said = judged(level(1.0), known=0.2).reason
    assert "90 % of the views stay nearest" in said
    assert "know too little of label to show a loss (20 %, chance 10 %)" in said


def test_neighbours_must_know_clearly_more_than_chance():
    assert not neighbours_know(about(0.4), 0.1)
    assert neighbours_know(about(0.5), 0.1)
    assert not neighbours_know(about(0.5), 0.5)
    assert not neighbours_know(None, 0.0)


def test_an_operation_without_a_level_is_refused():
    with pytest.raises(InputError, match="measured at no strength"):
        judged()


def scored(name, stage, value):
    return Scored(name=name, stage=stage, score=about(value), measure="retrieval")


def test_later_rounds_come_first_and_every_place_has_a_reason():
    rows = [scored("dropped", 1, 0.9), scored("second", 2, 0.50), scored("never", 0, 0.99)]
    rows += [scored("first", 2, 0.70), scored("near", 2, 0.69)]
    order = ranking(rows)
    assert [row.name for row in order] == ["first", "near", "second", "dropped", "never"]
    assert [row.place for row in order] == [1, 2, 3, 4, 5]
    reasons = {row.name: row.reason for row in order}
    assert reasons["first"] == "retrieval 0.700 (0.680 to 0.720), the highest of the last round."
    assert "not told apart" in reasons["near"]
    assert "0.200 below the best" in reasons["second"]
    assert "dropped after round 1" in reasons["dropped"]
    assert "not trained within the budget" in reasons["never"]


def test_equal_scores_keep_their_order_and_nothing_is_refused():
    assert [row.name for row in ranking([scored("b", 0, 0.5), scored("a", 0, 0.5)])] == ["b", "a"]
    with pytest.raises(InputError, match="no policy to rank"):
        ranking([])
