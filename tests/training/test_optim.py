import math

import pytest
import torch
from torch import nn

from contrascope.errors import InputError
from contrascope.training.optim import LARS, build_optimizer, learning_rate
from contrascope.training.settings import OptimSettings, ScheduleSettings


def slow_lars(w, grads, *, lr, momentum, trust, decay, adapt):
    w, v = [float(x) for x in w], [0.0] * len(w)
    for grad in grads:
        u = [g + decay * x for g, x in zip(grad, w, strict=True)]
        size_w, size_u = math.sqrt(sum(x * x for x in w)), math.sqrt(sum(x * x for x in u))
        ratio = trust * size_w / size_u if adapt and size_w > 0 and size_u > 0 else 1.0
        v = [momentum * a + ratio * b for a, b in zip(v, u, strict=True)]
        w = [x - lr * a for x, a in zip(w, v, strict=True)]
    return w


@pytest.mark.parametrize("adapt", [True, False])
@pytest.mark.parametrize("start", [[3.0, -4.0, 0.5], [0.0, 0.0, 0.0]])
def test_lars_agrees_with_a_slow_loop_over_several_steps(adapt, start):
    grads = [[0.1, -0.2, 0.3], [0.0, 0.0, 0.0], [-1.0, 2.0, 0.5], [0.3, 0.3, 0.3]]
    w = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    groups = [{"params": [w], "weight_decay": 0.01, "adapt": adapt}]
    optimizer = LARS(groups, lr=0.5, momentum=0.9, trust=0.02)
    for grad in grads:
        w.grad = torch.tensor(grad, dtype=torch.float64)
        optimizer.step()
    expected = slow_lars(start, grads, lr=0.5, momentum=0.9, trust=0.02, decay=0.01, adapt=adapt)
    torch.testing.assert_close(w.data, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-14)


def test_the_schedule_warms_up_linearly_and_follows_half_a_cosine_by_hand():
    schedule = ScheduleSettings(warmup_epochs=2.0, final_fraction=0.1)
    rates = [learning_rate(i, steps=16, steps_per_epoch=2, peak=2.0, schedule=schedule) for i in range(16)]
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[10] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert rates[13] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 0.75))))
    assert learning_rate(16, steps=16, steps_per_epoch=2, peak=2.0, schedule=schedule) == pytest.approx(0.2)


def test_a_constant_schedule_stays_at_the_peak_after_the_warm_up():
    schedule = ScheduleSettings(name="constant", warmup_epochs=1.0)
    rates = [learning_rate(i, steps=9, steps_per_epoch=3, peak=3.0, schedule=schedule) for i in range(9)]
    assert rates == [1.0, 2.0] + [3.0] * 7


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars"])
def test_norms_and_biases_are_left_without_decay_only_if_asked_and_frozen_weights_are_left_out(name):
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    network[2].requires_grad_(False)
    apart = build_optimizer(OptimSettings(name=name, exclude_norm_and_bias=True), network).param_groups
    assert [len(group["params"]) for group in apart] == [1, 3]
    assert [group["weight_decay"] for group in apart] == [5e-4, 0.0]
    together = build_optimizer(OptimSettings(name=name), network).param_groups
    assert [len(group["params"]) for group in together] == [4]


def test_a_rate_of_zero_is_refused_with_its_value():
    with pytest.raises(InputError, match=r"optim\.lr is 0\.0; expected a number above 0"):
        build_optimizer(OptimSettings(lr=0.0), nn.Linear(2, 2))
