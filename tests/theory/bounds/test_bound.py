"""A bound is never shown without the word that says what it is worth."""

import math

import pytest

from contrascope.errors import InputError
from contrascope.theory.bounds.bound import Bound, over_views, require_between


def bound(value, *, trivial=1.0, lower=False, limit=None, scope="", circular=False, **conditions):
    return Bound(
        name="Err",
        value=value,
        terms={},
        conditions=conditions,
        trivial=trivial,
        source="",
        lower=lower,
        limit=limit,
        scope=scope,
        circular=circular,
    )


def test_below_the_trivial_value_it_is_informative():
    assert (bound(0.3).word, bound(0.3).holds) == ("informative", True)


@pytest.mark.parametrize("value", [1.0, 1.5, math.inf])
def test_at_or_above_the_trivial_value_it_is_vacuous(value):
    assert bound(value).vacuous
    assert bound(value).reason == "no better than the trivial 1"


def test_a_failing_condition_makes_any_value_vacuous_and_is_named():
    failing = bound(0.0, far=False, near=True)
    assert (failing.holds, failing.word, failing.reason) == (False, "vacuous", "fails: far")


def test_a_lower_bound_is_vacuous_at_or_below_the_trivial_value():
    assert bound(0.5, trivial=0.5, lower=True).vacuous
    assert not bound(0.6, trivial=0.5, lower=True).vacuous


@pytest.mark.parametrize(("value", "sign", "lower"), [(0.25, "<=", False), (2.0, ">=", True)])
def test_its_text_shows_value_and_word_together(value, sign, lower):
    assert (
        str(bound(value, lower=lower)) == f"Err {sign} {value:.4g} (informative: better than the trivial 1)"
    )


def test_the_word_judges_the_limit_and_not_the_value():
    assert bound(0.3, limit=1.0).word == "vacuous"
    assert bound(0.3, limit=1.0).reason == "1 on new images, no better than the trivial 1"
    assert (
        str(bound(0.3, limit=0.4)) == "Err <= 0.3 (informative: 0.4 on new images, better than the trivial 1)"
    )
    assert bound(2.0, lower=True, limit=0.9).word == "vacuous"


def test_circular_classes_are_never_informative_and_it_says_why():
    circular = bound(0.0, limit=0.0, circular=True)
    assert circular.word == "vacuous"
    assert circular.reason == "circular, the classes were made from this embedding"


@pytest.mark.parametrize(
    ("views", "said"),
    [(4, "at 4 views an image"), (1, "at 1 view an image"), (math.inf, "over all views")],
)
def test_the_number_of_views_stands_in_the_line(views, said):
    assert f"Err <= 0.3 {said} (" in str(bound(0.3, scope=over_views(views)))


def test_the_text_of_a_bound_that_fails_says_vacuous():
    assert str(bound(0.02, far=False)) == "Err <= 0.02 (vacuous: fails: far)"


def test_nan_is_no_bound():
    with pytest.raises(AssertionError, match="the bound is nan"):
        bound(math.nan)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_number_out_of_range_is_refused(value):
    with pytest.raises(InputError, match=r"sigma is .*; expected a number in \[0, 1\]"):
        require_between(0, 1, sigma=value)
