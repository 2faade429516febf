"""A training that becomes slow says so once, with the cause that the clocks show."""

from itertools import pairwise

import pytest

from contrascope.training.pace import Clocks, Pace


def told(windows, *, threads=2):
    """What is said in each window of 10 s; each is images, processor seconds and held seconds."""
    now = [Clocks(seconds=0.0, busy=0.0, held=0.0, load=3.0)]
    for _, busy, held in windows:
        last = now[-1]
        now.append(Clocks(seconds=last.seconds + 10, busy=last.busy + busy, held=last.held + held, load=3.0))
    clock = iter(now)
    pace, said, images = Pace(threads=threads, read=lambda: next(clock)), [], 0
    for more, _, _ in windows:
        images += more
        said.append(pace.see(images))
    return said


QUIET, CROWD, HELD, COLD = (10_000, 19.5, 0.0), (1_000, 9.0, 0.0), (4_000, 5.0, 6.0), (2_000, 19.5, 0.0)


def test_a_quiet_machine_hears_nothing():
    assert told([QUIET] * 6) == [""] * 6


def test_one_slow_window_is_no_alarm():
    assert told([QUIET, CROWD, QUIET, CROWD]) == [""] * 4


def test_a_crowd_is_named_once_with_what_helps():
    said = told([QUIET, CROWD, CROWD, CROWD, CROWD])
    assert [bool(one) for one in said] == [False, False, True, False, False]
    assert "at 100 images/s, after 1,000" in said[2]
    assert "gets 0.9 of the 2 cores" in said[2]
    assert "--training.threads 1" in said[2]


def test_a_crowd_from_the_first_step_is_seen_too():
    assert "gets 0.9 of the 2 cores" in told([CROWD, CROWD])[1]


def test_it_speaks_again_after_it_was_fast():
    assert [bool(one) for one in told([CROWD, CROWD, QUIET, CROWD, CROWD])] == [
        False,
        True,
        False,
        False,
        True,
    ]


def test_a_quota_is_named_as_such():
    assert "stops this process for 60 % of the time" in told([QUIET, HELD, HELD])[2]


def test_a_quota_is_named_where_the_process_gets_most_of_its_core():
    held = (800, 8.0, 2.0)
    assert "stops this process for 20 % of the time" in told([held, held], threads=1)[1]


def test_where_the_cores_are_there_no_crowd_is_blamed():
    said = told([QUIET, COLD, COLD])[2]
    assert "though it gets its cores" in said


@pytest.mark.parametrize("threads", [1, 2])
def test_one_thread_is_not_told_to_take_fewer(threads):
    said = "".join(told([(1000, 9.5, 0.0), (1000, 3.0, 0.0), (1000, 3.0, 0.0)], threads=threads))
    assert "of the" in said
    assert ("--training.threads 1" in said) == (threads > 1)


def test_what_runs_while_it_rests_is_not_counted():
    times = [0, 4, 104, 110]  # six seconds of training about a hundred of a probe, then the window's end
    clock = iter(Clocks(seconds=float(one), busy=2.0 * one, held=0.0, load=1.0) for one in times)
    pace = Pace(threads=2, read=lambda: next(clock))
    with pace.rest():
        pass
    assert pace.see(5000) == ""
    assert pace.best == pytest.approx(500.0)
    assert all(later >= earlier for earlier, later in pairwise(times))
