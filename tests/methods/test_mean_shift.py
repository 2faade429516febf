import copy

import pytest
import torch
from method_cases import clustered_views, small_method
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.losses.mean_shift import mean_shift
from contrascope.methods.momentum.mean_shift_settings import MeanShiftSettings


def embedded(method, views):
    method = copy.deepcopy(method)
    p = torch.stack([method.predictor(method.projector(method.encoder(view))) for view in views])
    return p, torch.stack([method.target_projector(method.target_encoder(view)) for view in views])


def test_its_step_is_the_loss_of_predictions_targets_and_the_old_queue():
    method = small_method("mean_shift", neighbours=4)
    method(clustered_views(seed=1))
    method.after_step(0.0)
    views = clustered_views(seed=2)
    p, u = embedded(method, views)
    expected = mean_shift(p, u, queue=method.queue, neighbours=4)
    found = method(views).terms
    torch.testing.assert_close(found.align, expected.align)
    assert found.spread.item() == 0


def test_the_targets_of_view_1_enter_after_the_step():
    method = small_method("mean_shift")
    start, views = method.queue.clone(), clustered_views()
    _, u = embedded(method, views)
    method(views)
    assert torch.equal(method.queue, start)
    method.after_step(0.0)
    torch.testing.assert_close(method.queue[:16], F.normalize(u[0], dim=-1))
    assert torch.equal(method.queue[16:], start[16:])


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_the_targets_decay_stays_the_same_all_along(progress):
    method = small_method("mean_shift", ema_decay=0.75)
    with torch.no_grad():
        method.target_encoder.conv.weight.fill_(8.0)
        method.encoder.conv.weight.fill_(16.0)
    method.after_step(progress)
    assert (method.target_encoder.conv.weight == 10).all()


def test_settings_that_cannot_be_built_are_refused_and_far_off_ones_named():
    for neighbours in (0, 41):
        with pytest.raises(InputError, match=f"between 1 and queue_size, 40; got {neighbours}"):
            small_method("mean_shift", neighbours=neighbours)
    cause = MeanShiftSettings(neighbours=500, queue_size=1000).hint("not learning", {}).cause
    assert "500 neighbours of a queue of 1000" in cause
    assert "follows too fast" in MeanShiftSettings(ema_decay=0.5).hint("complete collapse", {}).cause
