"""Threads of a run: set, recorded, asked for, or found by a trial that changes nothing."""

import copy

import pytest
import torch
from torch import nn

from contrascope.errors import InputError
from contrascope.training import threads as room
from contrascope.training.settings import TrainingSettings
from contrascope.training.threads import candidates, threads, threads_for

CPU = torch.device("cpu")


@pytest.fixture
def free(monkeypatch):
    """Nobody has asked for threads, and the machine has four cores."""
    monkeypatch.setattr(room, "threads_are_asked_for", lambda: False)
    monkeypatch.setattr(room, "usable_cores", lambda: 4.0)
    with threads(4):
        yield monkeypatch


def found(training=None, encoder=None, **more):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4)) if encoder is None else encoder
    training = training or TrainingSettings(batch_size=16)
    return threads_for(training, network, lambda n: torch.rand(n, 3, 8, 8), device=CPU, seconds=0.05, **more)


def test_what_is_set_comes_first_then_what_is_recorded(free):
    del free
    assert found(TrainingSettings(threads=3), recorded=2).count == 3
    assert found(recorded=2).count == 2
    assert "as the run began" in found(recorded=2).why


def test_what_the_user_told_openmp_is_left_alone(free):
    free.setattr(room, "threads_are_asked_for", lambda: True)
    assert found().count == 4


def test_no_trial_on_another_device():
    network = nn.Identity()
    assert threads_for(TrainingSettings(), network, pytest.fail, device=torch.device("meta")).count


@pytest.mark.parametrize(
    ("rates", "count"), [({4: 100.0, 2: 110.0, 1: 120.0}, 4), ({4: 10.0, 2: 60.0, 1: 120.0}, 1)]
)
def test_fewer_threads_only_where_they_are_clearly_faster(rates, count, free):
    free.setattr(room, "_trial", lambda *_, **__: rates)
    taken = found()
    assert taken.count == count
    assert bool(taken.why) == (count == 1)
    if count == 1:
        assert "12.0 times as fast as 4" in taken.why


def test_a_quota_of_half_a_core_takes_one_thread_without_a_trial(free):
    free.setattr(room, "usable_cores", lambda: 0.5)
    free.setattr(room, "_trial", pytest.fail)
    assert found().count == 1


def test_the_trial_leaves_encoder_random_state_and_threads_as_they_were(free):
    free.setattr(room, "CLEAR", 1.0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 4)
    )
    before, state = copy.deepcopy(network.state_dict()), torch.random.get_rng_state()
    found(encoder=network.eval())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not network.training
    assert all(one.grad is None for one in network.parameters())
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == 4


def test_every_number_is_tried_for_about_the_same_time(free):
    del free
    rates = room._trial(
        TrainingSettings(batch_size=16),
        nn.Flatten(),
        lambda n: torch.rand(n, 3, 8, 8, requires_grad=True),
        candidates(4),
        device=CPU,
        seconds=0.05,
    )
    assert list(rates) == [4, 2, 1]
    assert all(rate > 0 for rate in rates.values())


def test_a_number_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"training\.threads is -1; expected 1 to 1024, or 0"):
        TrainingSettings(threads=-1)
