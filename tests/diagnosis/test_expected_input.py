"""The input that batch norm remembers: by hand, and an encoder that is given another one than it was trained with."""

import math
from collections import OrderedDict

import pytest
import torch
from torch import nn

from contrascope.diagnosis.checks.expected_input import GIVEN, IMAGENET, MOST, OTHERS, input_fit
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings

SOURCE = torch.Generator().manual_seed(0)
BASE = torch.tensor([0.75, 0.45, 0.15])[:, None, None]
IMAGES = (BASE + 0.12 * torch.randn(96, 3, 16, 16, generator=SOURCE)).clamp(0, 1)
"""Reddish images: the order of channels is seen."""


def seen(change, images=IMAGES):
    """An encoder whose statistics are of images in this form."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = build_encoder(EncoderSettings(name="convnet", width=8), channels=images.shape[1], size=16)
    encoder.train()
    with torch.no_grad():
        for _ in range(60):
            encoder(change(images))
    return encoder.eval()


def test_by_hand_one_channel():
    norm = nn.BatchNorm2d(1)
    norm.running_mean.fill_(0.2)
    norm.running_var.fill_(0.25)
    norm.num_batches_tracked.fill_(3)
    images = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    m, var = images.double().mean().item(), images.double().var(correction=0).item() + norm.eps
    width = 0.25 + norm.eps
    nats = (math.log(width / var) + (var + (m - 0.2) ** 2) / width - 1) / 2
    assert input_fit(norm, images).given == pytest.approx(nats, rel=1e-6)


def test_the_right_input_fits():
    found = input_fit(seen(lambda x: x), IMAGES)
    assert found.given < 0.03
    assert found.least <= found.given


@pytest.mark.parametrize("name", ["0 to 255", "-1 to 1", "channels in reverse order (BGR)"])
def test_another_input_is_named(name):
    found = input_fit(seen(OTHERS[name]), IMAGES)
    assert found.best == name
    assert found.least < 0.03
    assert found.given > max(0.05, 2 * found.least)


def test_images_that_were_standardised_twice_are_found():
    once = OTHERS["standardised as ImageNet's images are"]
    encoder = seen(once)
    assert input_fit(encoder, once(IMAGES)).given < 0.03
    twice = input_fit(encoder, once(once(IMAGES)))
    assert twice.best == "not standardised"
    assert twice.least < 0.03 < twice.given
    missing = input_fit(encoder, IMAGES)
    assert missing.best == "standardised as ImageNet's images are"


def test_to_standardise_and_to_undo_it_are_inverse():
    there, back = OTHERS["standardised as ImageNet's images are"], OTHERS["not standardised"]
    torch.testing.assert_close(back(there(IMAGES)), IMAGES, atol=1e-6, rtol=1e-6)
    mean = there(torch.tensor(IMAGENET[0])[None, :, None, None].expand(1, 3, 2, 2))
    torch.testing.assert_close(mean, torch.zeros(1, 3, 2, 2), atol=1e-6, rtol=0)


def test_gray_images_are_not_asked_for_channels():
    gray = IMAGES[:, :1]
    found = input_fit(seen(lambda x: 255 * x, gray), gray)
    assert found.best == "0 to 255"
    four = torch.rand(32, 4, 16, 16, generator=SOURCE)
    assert input_fit(seen(lambda x: x, four), four).given < 0.05


def test_a_network_without_batch_norm_remembers_nothing():
    assert input_fit(nn.Sequential(nn.Flatten(), nn.LayerNorm(768)), IMAGES) is None
    assert input_fit(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), IMAGES) is None


def test_the_network_is_left_as_it_was():
    encoder = seen(lambda x: x).train()
    encoder[0].eval() if isinstance(encoder, nn.Sequential) else next(encoder.children()).eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    modes = [part.training for part in encoder.modules()]
    input_fit(encoder, IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert [part.training for part in encoder.modules()] == modes
    assert all(part._forward_pre_hooks == OrderedDict() for part in encoder.modules())


def test_hooks_are_taken_away_when_the_network_fails():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            self.norm(x)
            raise RuntimeError("no")

    network = Fails()
    with pytest.raises(RuntimeError, match="no"):
        input_fit(network, IMAGES)
    assert not network.norm._forward_pre_hooks


def test_a_misfit_is_cut_and_what_is_not_finite_is_the_largest():
    norm = nn.BatchNorm2d(3).eval()
    norm.running_var.fill_(1e-12)
    assert input_fit(norm, 1e6 * IMAGES).given == MOST
    assert input_fit(norm, IMAGES.where(IMAGES < 0.9, torch.nan)).given == MOST
    assert GIVEN not in OTHERS
