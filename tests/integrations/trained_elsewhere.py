"""What the tests of the integrations train: a loss that learns, and a network that collapses."""

import torch
from torch import nn
from torch.nn import functional as F

SIGNAL, NOISE, IMAGES = 8, 24, 192


def views(*, seed=0):
    """[2 n 32]: 8 numbers of the image, and 24 of the view, half as wide again."""
    drawn = torch.Generator().manual_seed(seed)
    signal = torch.randn(IMAGES, SIGNAL, generator=drawn).expand(2, -1, -1)
    return torch.cat((signal, 1.5 * torch.randn(2, IMAGES, NOISE, generator=drawn)), dim=2)


def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Linear(SIGNAL + NOISE, SIGNAL)


def contrast(h):
    """NT-Xent in its shortest form, of [2 n dim]."""
    a, b = F.normalize(h, dim=-1)
    return F.cross_entropy(a @ b.T / 0.2, torch.arange(len(a)))


def spoil(net):
    """Weights of zero: every image has the same row."""
    with torch.no_grad():
        net.weight.zero_()
