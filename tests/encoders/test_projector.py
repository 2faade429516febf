import pytest
import torch
from torch import nn

from contrascope.encoders.projector import build_projector
from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError


def kinds(settings, in_dim=6):
    return [type(layer).__name__ for layer in build_projector(settings, in_dim).layers]


def test_no_hidden_layer_makes_a_linear_map():
    projector = build_projector(ProjectorSettings(hidden=(), out=3), 6)
    a, b = torch.eye(6)[:2], torch.ones(2, 6)
    zero = projector(torch.zeros(2, 6))
    torch.testing.assert_close(projector(a + b) + zero, projector(a) + projector(b))


def test_layers_stand_in_the_stated_order():
    both = ProjectorSettings(hidden=(5, 4), out=3, batch_norm=True, batch_norm_out=True)
    unit = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds(both) == [*unit, *unit, "Linear", "BatchNorm1d"]
    assert kinds(ProjectorSettings(hidden=(5,), out=3)) == ["Linear", "ReLU", "Linear"]


def test_a_bias_stands_exactly_where_no_batch_norm_follows():
    hidden_only = build_projector(ProjectorSettings(hidden=(5,), out=3, batch_norm=True), 6)
    assert [layer.bias is not None for layer in hidden_only.layers if isinstance(layer, nn.Linear)] == [
        False,
        True,
    ]
    none = build_projector(ProjectorSettings(hidden=(5,), out=3, bias=False), 6)
    assert all(layer.bias is None for layer in none.layers if isinstance(layer, nn.Linear))


def test_batch_norm_on_the_output_standardises_every_dimension():
    projector = build_projector(ProjectorSettings(hidden=(16,), out=3, batch_norm_out=True), 6)
    z = projector(torch.rand(64, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(0, correction=0), torch.ones(3), atol=2e-2, rtol=0)


def test_a_wrong_width_is_refused():
    with pytest.raises(InputError, match="built for vectors of width 6; got 5"):
        build_projector(ProjectorSettings(), 6)(torch.zeros(2, 5))
    with pytest.raises(InputError, match=r"at least 1; got hidden=\(0,\), out=4"):
        ProjectorSettings(hidden=(0,), out=4)
