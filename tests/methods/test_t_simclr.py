import torch
from method_cases import SmallEncoder

from contrascope.encoders.settings import ProjectorSettings
from contrascope.losses.t_simclr import t_simclr
from contrascope.methods.build import build_method
from contrascope.methods.joint.t_simclr_settings import TSimCLRSettings


def test_its_step_is_the_loss_of_plain_projector_outputs_with_its_own_settings():
    torch.manual_seed(0)
    settings = TSimCLRSettings(projector=ProjectorSettings(hidden=(), out=4), temperature=3.0, degrees=2.0)
    method = build_method(settings, SmallEncoder()).eval()
    views = torch.rand(2, 6, 1, 8, 8)
    z = torch.stack([method.projector(method.encoder(view)) for view in views])
    expected = t_simclr(z, temperature=3.0, degrees=2.0)
    found = method(views).terms
    torch.testing.assert_close(found.align, expected.align)
    torch.testing.assert_close(found.spread, expected.spread)


def test_its_hint_names_its_own_settings():
    hint = TSimCLRSettings(temperature=50.0).hint("complete collapse", {})
    assert "temperature 50" in hint.cause
    assert TSimCLRSettings().hint("complete collapse", {}) is None
    assert TSimCLRSettings().hint("not learning", {}) is None
