"""What a user might bring: losses and methods of their own, named by import path."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.hints import Hint
from contrascope.methods.joint.simclr import SimCLR
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.settings import JointSettings


def pulled(z, *, weight: float = 1.0, margin: float):
    """A plain number: positives together, a mean of zero."""
    z = F.normalize(z, dim=-1)
    return (1 - (z[0] * z[1]).sum(-1) - margin).relu().mean() + weight * z.mean((0, 1)).square().sum()


def halves(z, *, positives, power: int = 2):
    """Both halves, and any choice of pairs."""
    align = (z[0] - z[1]).abs().pow(power).sum(-1)
    return LossTerms(align=align, spread=(1 - z.flatten(0, 1).std(0)).relu().mean())


def alone(z):
    """Each image with its own views only."""
    return (z[0] - z[1]).square().mean() + z.square().sum(-1).sub(1).square().mean()


alone.gathers = False
number = 3


def not_one(z):
    return z.mean(0)


@dataclass(frozen=True, kw_only=True)
class MineSettings(JointSettings):
    """Settings of the user's method."""

    sharpness: float = 2.0

    def hint(self, word, signals):
        return Hint(cause=f"{word}: sharpness {self.sharpness:g} with {signals['z.dim']:g} numbers")


class Mine(JointEmbedding):
    """The user's method."""

    loss_name = "nt_xent"
    settings_type = MineSettings

    def __init__(self, encoder, settings):
        super().__init__(encoder, settings)
        self.sharpness = settings.sharpness

    def terms(self, z, target):
        return LossTerms(align=(z[0] - z[1]).square().sum(-1) * self.sharpness, spread=z.mean().square())


class NoSettings(JointEmbedding):
    loss_name = "nt_xent"

    def terms(self, z, target):
        raise NotImplementedError


class Borrowed(SimCLR):
    settings_type = SimCLRSettings


class Nothing(torch.nn.Module):
    settings_type = type("NothingSettings", (JointSettings,), {})

    def __init__(self, encoder, settings):
        super().__init__()
