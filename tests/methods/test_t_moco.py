import copy

import pytest
import torch
from method_cases import clustered_views, small_method

from contrascope.encoders.settings import ProjectorSettings
from contrascope.losses.t_moco import t_moco
from contrascope.methods.momentum.t_moco_settings import TMoCoSettings

NORMED = ProjectorSettings(hidden=(12,), out=6, batch_norm_out=True)


def keys_of(method, views):
    method = copy.deepcopy(method)
    return torch.stack([method.target_projector(method.target_encoder(view)) for view in views])


def test_its_step_is_the_loss_of_plain_queries_keys_and_queue_with_its_own_settings():
    method = small_method("t_moco", splits=0, temperature=3.0, degrees=2.0, projector=NORMED)
    views = clustered_views()
    keys = keys_of(method, views)
    z = copy.deepcopy(method)(views).z
    expected = t_moco(z, keys, queue=method.queue, temperature=3.0, degrees=2.0)
    found = method(views).terms
    torch.testing.assert_close(found.align, expected.align)
    torch.testing.assert_close(found.spread, expected.spread)


def test_embeddings_and_queue_are_standardised_and_not_scaled_to_unit_length():
    method = small_method("t_moco", splits=0, queue_size=2000, projector=NORMED)
    assert method.queue.std().item() == pytest.approx(1.0, abs=0.05)
    views = clustered_views()
    keys = keys_of(method, views)
    torch.testing.assert_close(keys.mean(1), torch.zeros(2, 6), rtol=0, atol=1e-5)
    method(views)
    method.after_step(0.0)
    torch.testing.assert_close(method.queue[:32], keys.flatten(0, 1))
    assert (keys.norm(dim=-1) - 1).abs().max() > 0.5


def test_its_defaults_standardise_without_scale_and_shift():
    norm = small_method("t_moco", projector=TMoCoSettings().projector).projector.layers[-1]
    assert isinstance(norm, torch.nn.modules.batchnorm._BatchNorm)
    assert norm.weight is None
    assert norm.bias is None


@pytest.mark.parametrize(
    ("changes", "word", "said"),
    [
        ({"temperature": 50.0}, "complete collapse", "temperature 50"),
        ({"queue_size": 16}, "complete collapse", "holds 16 keys"),
        ({"projector": ProjectorSettings()}, "dimensional collapse", "no batch norm"),
        ({"ema_decay": 1.0}, "not learning", "never moves"),
    ],
)
def test_its_hint_names_what_is_far_off(changes, word, said):
    assert said in TMoCoSettings(**changes).hint(word, {}).cause
    assert TMoCoSettings().hint(word, {}) is None
