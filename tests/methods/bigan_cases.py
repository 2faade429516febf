"""A small BiGAN without batch norm, views with its draws, and its turns."""

from dataclasses import replace

import torch
from method_cases import clustered_views
from torch import nn

from contrascope.draws import DrawKey
from contrascope.encoders.settings import ProjectorSettings
from contrascope.methods.adversarial.bigan_settings import BiGANSettings
from contrascope.methods.build import build_method
from contrascope.methods.views import ViewBatch

SIDE = 6
HEAD = ProjectorSettings(hidden=(7,), out=5)
FULL = {"stochastic": True, "unary": True, "discriminator_steps": 2}


class Plain(nn.Module):
    """A convolution and its mean over places; batch norm only if asked for."""

    dim = 8

    def __init__(self, channels=1, *, batch_norm=False):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3)
        self.norm = nn.BatchNorm2d(8) if batch_norm else nn.Identity()

    def forward(self, images):
        return torch.tanh(self.norm(self.conv(images.to(self.conv.weight)))).mean(dim=(2, 3))


def bigan(*, channels=1, batch_norm=False, encoder=None, **changes):
    torch.manual_seed(0)
    small = {
        "projector": HEAD,
        "generator_widths": (6, 4),
        "discriminator_width": 2,
        "grid": 2,
        "batch_norm": batch_norm,
    }
    network = Plain(channels, batch_norm=batch_norm) if encoder is None else encoder
    return build_method(BiGANSettings(**{**small, **changes}), network)


def drawn(method, *, batch=16, seed=0, epoch=0, dtype=torch.float32, channels=1):
    """Views of images 0 to batch - 1 as a view maker makes them."""
    images = clustered_views(views=1, batch=batch, seed=seed, dtype=dtype)[0].clamp(0, 1)
    key = DrawKey(seed=3, epoch=epoch, ids=torch.arange(batch))
    view, draws = method.with_draws(images.expand(-1, channels, -1, -1), key)
    return ViewBatch(groups=(view[None],), ids=key.ids, targets=(draws[None],))


def part_of(views, mine):
    return replace(
        views,
        groups=(views.groups[0][:, mine],),
        ids=views.ids[mine],
        targets=(views.targets[0][:, mine],),
    )


def turns(method, views):
    """The batch of each turn of a step."""
    return [replace(views, turn=turn, place=place) for place, turn in enumerate(method.turns)]


def settled(method):
    """The same with singular values that are those of its weights."""
    for _ in range(200):
        method.after_step(0.0)
    return method
