"""A training that lacks directions and wins them is no alarm; one that loses them, or stays without, is."""

from dataclasses import replace

import pytest
import torch

from contrascope.diagnosis.answers import judge
from contrascope.diagnosis.causes import Known
from contrascope.diagnosis.checks.collapse import directions_left, few_directions
from contrascope.diagnosis.checks.findings import CUTS
from contrascope.diagnosis.diagnosis import array_reference, array_signals
from contrascope.diagnosis.monitor.alarm import alarm_of
from contrascope.diagnosis.monitor.growing import GROWS, Growing

DIM, IMAGES = 32, 200


def rows(directions, *, seed=0):
    """Two close views of images in so many directions, with a little of all others."""
    source = torch.Generator().manual_seed(seed)
    wide = torch.randn(IMAGES, DIM, generator=source)
    wide[:, directions:] *= 0.002
    return torch.stack([wide + 0.002 * torch.randn(IMAGES, DIM, generator=source) for _ in range(2)])


@pytest.fixture(scope="module")
def reference():
    return array_reference(rows(DIM, seed=1), None, given=(rows(DIM, seed=1), None), draws=20, seed=0)


@pytest.fixture(scope="module")
def measured(reference):
    def of(directions):
        signals = array_signals(rows(directions), None, reference=reference, draws=20, seed=0)
        return judge(signals, known=None), signals

    return {directions: of(directions) for directions in (3, 4, 6, 8, 30)}


def alarms(measured, course):
    growing = Growing()
    return [growing.alarms(*measured[directions]) for directions in course]


def test_what_is_left_is_below_one_exactly_where_the_check_finds_too_few(measured):
    for verdict, signals in measured.values():
        left = directions_left(signals)
        assert (left < 1) == (few_directions(signals, CUTS, Known()) is not None) == (not verdict.ok)
    assert [directions_left(measured[one][1]) for one in (3, 4, 6, 8, 30)] == sorted(
        directions_left(measured[one][1]) for one in (3, 4, 6, 8, 30)
    )
    assert {str(measured[one][0].sound) for one in (3, 4, 6)} == {"unsound: dimensional collapse"}


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ((3, 4, 6, 30), [False, False, False, False]),  # on its way
        ((3, 3, 3), [False, True, True]),  # stays without
        ((30, 4, 4), [False, True, True]),  # loses them
        ((30, 3, 4, 6), [False, True, False, False]),  # and wins them again
        ((6, 4, 3), [False, True, True]),
    ],
)
def test_only_a_loss_of_directions_is_an_alarm(measured, course, expected):
    assert alarms(measured, course) == expected


def test_every_other_reason_is_an_alarm_at_once(measured):
    _, signals = measured[30]
    faults = replace(signals.faults, non_finite=3)
    broken = replace(signals, faults=faults)
    verdict = judge(broken, known=None)
    assert not verdict.ok
    assert Growing().alarms(verdict, broken)


def test_a_little_more_is_no_growth(measured):
    verdict, signals = measured[4]
    growing = Growing()
    growing.alarms(verdict, signals)
    layer = signals.h
    more = replace(signals, h=replace(layer, rankme_centred=(GROWS - 0.01) * layer.rankme_centred))
    assert growing.alarms(verdict, more)


def test_the_line_of_progress_says_what_is_an_alarm(measured):
    verdict, _ = measured[3]
    assert alarm_of(verdict, unsound=True, late=False) == "unsound: dimensional collapse"
    assert alarm_of(verdict, unsound=False, late=True) == ""
