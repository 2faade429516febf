"""In a world of one factor encoder and generator come to invert each other, though no pixel is compared."""

from dataclasses import replace

import pytest
import torch
from bigan_cases import FULL
from torch import nn

from contrascope.draws import DrawKey
from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.adversarial.bigan_settings import BiGANSettings
from contrascope.methods.build import build_method
from contrascope.methods.views import ViewBatch
from contrascope.training.optim import Optimisers
from contrascope.training.settings import OptimSettings


class Seeing(nn.Module):
    """4 px to 16 numbers."""

    dim = 16

    def __init__(self):
        super().__init__()
        self.conv, self.layer = nn.Conv2d(1, 16, 2, 2), nn.Linear(64, 16)

    def forward(self, images):
        return torch.relu(self.layer(torch.relu(self.conv(2 * images - 1)).flatten(1)))


def ramps(generator):
    """Ramps from left to right or the other way, by one number in [0, 1]."""
    factor = torch.rand(128, 1, 1, 1, generator=generator)
    ramp = torch.linspace(0, 1, 4).expand(128, 1, 4, 4)
    return factor * ramp + (1 - factor) * (1 - ramp)


def reconstruction(steps, **changes):
    """The signal before training, and its mean over the last fifth of the steps."""
    torch.manual_seed(0)
    small = {"projector": ProjectorSettings(hidden=(32,), out=1), "generator_widths": (16,), "grid": 2}
    small |= {"discriminator_width": 16, "batch_norm": False}
    method = build_method(BiGANSettings(**small, **changes), Seeing())
    optimisers = Optimisers(OptimSettings(name="adamw", lr=2e-3, momentum=0.5, weight_decay=0.0), method)
    generator, found = torch.Generator().manual_seed(0), []
    for step in range(steps):
        key = DrawKey(seed=0, epoch=step, ids=torch.arange(128))
        view, draws = method.with_draws(ramps(generator), key)
        views = ViewBatch(groups=(view[None],), ids=key.ids, targets=(draws[None],))
        if step == 0 or step >= steps - steps // 5:
            found.append(method.signals(views)["reconstruction"])
        for place, turn in enumerate(method.turns):
            method(replace(views, turn=turn, place=place)).terms.total.backward()
            optimisers.step(turn, clip_norm=0.0)
            method.zero_grad(set_to_none=True)
        method.after_step(step / steps)
    return found[0], sum(found[1:]) / len(found[1:])


@pytest.mark.slow
def test_encoder_and_generator_come_to_invert_each_other():
    before, after = reconstruction(450)
    assert before > 0.95
    assert after < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"stochastic": True}, {**FULL, "loss": "hinge"}])
def test_so_they_do_in_ali_and_with_the_loss_of_bigbigan(changes):
    before, after = reconstruction(700, **changes)
    assert before > 0.95
    assert after < 0.6
