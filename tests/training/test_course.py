import math
from functools import partial

import pytest
import torch

from contrascope import records
from contrascope.errors import InputError
from contrascope.methods.embedding import JointEmbedding
from contrascope.runs.folder import segments_of
from contrascope.training.course import Segment, continued, ends, segment_at, whole
from contrascope.training.optim import learning_rate
from contrascope.training.settings import ScheduleSettings

COSINE = ScheduleSettings(warmup_epochs=1.0)
rate = partial(learning_rate, steps_per_epoch=4, peak=1.0, schedule=COSINE)


def position_rate(position, steps):
    return rate(position, steps=steps)


go_on = partial(continued, rate=position_rate)


def rates(segments, steps):
    found = []
    for step in range(steps):
        segment = segment_at(segments, step)
        found.append(rate(segment.position(step), steps=segment.steps))
    return found


def slow_cosine(progress):
    return 0.5 * (1 + math.cos(math.pi * progress))


def test_a_run_in_one_piece_walks_as_ever_to_the_bit():
    assert rates(whole(12), 12) == [rate(step, steps=12) for step in range(12)]


def test_a_run_stopped_half_way_draws_what_is_left_out_by_hand():
    segments = go_on(whole(12), step=6, steps=24, how=None)
    found = rates(segments, 24)
    assert found[:6] == [rate(step, steps=12) for step in range(6)]
    for step in range(6, 24):
        position = 6 + (step - 6) * 6 / 18  # six positions are left for eighteen steps
        assert found[step] == pytest.approx(slow_cosine((position - 4) / 8), abs=1e-12)
    assert found[6] == pytest.approx(rate(6, steps=12))
    assert [one.how for one in segments] == ["start", "stretch"]


def test_a_run_that_has_ended_is_refused_until_it_is_said_how_it_goes_on():
    with pytest.raises(InputError, match=r"end at step 12.*to step 20.*restart: .*stretch: .*constant: "):
        go_on(whole(12), step=12, steps=20, how=None)
    for word in ("stretch", "constant"):
        with pytest.raises(InputError, match=f"{word}.*rate at step 12 is 0.*restart"):
            go_on(whole(12), step=12, steps=20, how=word)


def test_a_restart_is_the_schedule_anew_over_the_added_steps():
    segments = go_on(whole(12), step=12, steps=24, how="restart")
    assert rates(segments, 24) == [rate(step, steps=12) for step in range(12)] * 2
    assert ends(segments) == (12,)


def test_a_constant_rate_is_the_one_at_which_the_run_stands_and_stays_when_more_is_asked():
    segments = go_on(whole(12), step=8, steps=20, how="constant")
    assert rates(segments, 20)[8:] == [rate(8, steps=12)] * 12
    assert ends(segments) == ()
    more = go_on(segments, step=15, steps=40, how=None)
    assert rates(more, 40)[8:] == [rate(8, steps=12)] * 32
    left = rates(go_on(segments, step=15, steps=23, how="stretch"), 23)
    assert left[15] == rate(8, steps=12)
    assert left[19] == pytest.approx(rate(10, steps=12))


def test_segments_continue_segments_and_those_that_have_begun_keep_every_bit():
    first = go_on(whole(12), step=6, steps=24, how=None)
    second = go_on(first, step=17, steps=31, how=None)
    third = go_on(second, step=31, steps=40, how="restart")
    assert rates(third, 40)[:17] == rates(first, 24)[:17]
    assert rates(third, 40)[:31] == rates(second, 31)
    assert third[:2] == first
    assert third[2].last == third[2].steps == 12


def test_what_has_not_begun_is_planned_anew():
    told = go_on(whole(12), step=12, steps=24, how="restart")
    assert go_on(told, step=12, steps=24, how=None) == told
    assert go_on(told, step=12, steps=12, how=None) == whole(12)
    assert go_on(told, step=12, steps=30, how="restart")[1].stop == 30
    assert go_on((), step=0, steps=9, how=None) == go_on(whole(5), step=0, steps=9, how=None) == whole(9)


def test_what_has_begun_cannot_be_changed_or_undone():
    told = go_on(whole(12), step=12, steps=24, how="restart")
    with pytest.raises(InputError, match=r"goes on by restart since step 12.*cannot become 'constant'"):
        go_on(told, step=13, steps=24, how="constant")
    with pytest.raises(InputError, match="at step 20, beyond the 16 steps"):
        go_on(told, step=20, steps=16, how=None)


def rows(run):
    found = records.read_metrics(run / records.METRICS)
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in found]


def same(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())


@pytest.mark.parametrize(("name", "optim"), [("simclr", "sgd"), ("moco", "adamw"), ("simclr", "lars")])
def test_a_continued_run_replays_from_its_segments_and_resumes_within_them_bit_for_bit(
    tmp_path, start_fit, name, optim
):
    kinds = {"method": name, "optim": optim}
    segments = go_on(whole(12), step=12, steps=20, how="restart")
    start_fit(tmp_path / "run", **kinds)
    assert len(segments_of(tmp_path / "run")) == 1
    run = start_fit(tmp_path / "run", segments=segments, epochs=5, **kinds)
    replay = start_fit(tmp_path / "replay", segments=segments, epochs=5, **kinds)
    assert same(run, replay)
    assert rows(tmp_path / "run") == rows(tmp_path / "replay")
    assert [row["step"] for row in rows(tmp_path / "run")] == list(range(1, 21))
    assert [row["lr"] for row in rows(tmp_path / "run")] == pytest.approx(
        [1e-2 * value for value in rates(segments, 20)]
    )
    assert 12 in [step for step, _ in records.checkpoint_folders(tmp_path / "run")]
    for step, folder in records.checkpoint_folders(tmp_path / "run"):
        if step > 16:
            records.remove_checkpoint(folder)  # as after a kill
    assert same(start_fit(tmp_path / "run", segments=segments, epochs=5, **kinds), replay)
    assert rows(tmp_path / "run") == rows(tmp_path / "replay")
    plain = start_fit(tmp_path / "plain", epochs=5, **kinds)
    assert not same(run, plain)


def test_the_course_of_a_method_follows_the_same_position(tmp_path, start_fit, monkeypatch):
    told = []
    monkeypatch.setattr(JointEmbedding, "after_step", lambda self, progress: told.append(progress))
    segments = go_on(whole(12), step=6, steps=20, how=None)
    segments = go_on(segments, step=20, steps=28, how="restart")
    start_fit(tmp_path, segments=segments, epochs=7)
    assert told[:6] == [(step + 1) / 12 for step in range(6)]
    assert told[6:20] == pytest.approx([(6 + (step - 5) * 6 / 14) / 12 for step in range(6, 20)])
    assert told[20:] == [(step + 1) / 8 for step in range(8)]


def test_a_position_is_between_two_steps_where_a_segment_is_drawn_out():
    one = Segment(start=10, stop=13, first=4.0, last=5.0, steps=8, how="stretch")
    assert [one.position(step) for step in (10, 13)] == [4.0, 5.0]
    assert one.position(11) == pytest.approx(4 + 1 / 3)
