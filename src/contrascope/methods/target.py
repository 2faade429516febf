"""The slowly moving copy of a network (momentum encoder, target network)."""

import copy
import math
from typing import TypeVar

import torch
from torch import nn

from contrascope.errors import InputError

Network = TypeVar("Network", bound=nn.Module)


def target_copy(network: Network) -> Network:
    """A copy with the same values that no gradient reaches.

    >>> any(p.requires_grad for p in target_copy(nn.Linear(2, 2)).parameters())
    False
    """
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, *, ema_decay: float) -> None:
    """Parameters of `target` become ema_decay x target + (1 - ema_decay) x online.

    Buffers stay: the target's batch norm keeps the running statistics of its own passes.

    >>> target, online = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> target.weight.data.fill_(0), online.weight.data.fill_(8)
    (tensor([[0.]]), tensor([[8.]]))
    >>> follow(target, online, ema_decay=0.75)
    >>> target.weight.item()
    2.0
    """
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.mul_(ema_decay).add_(fast, alpha=1 - ema_decay)


def cosine_to_one(ema_decay: float, progress: float) -> float:
    """From `ema_decay` at the start of training to 1 at its end (Grill et al. 2020, section 3.2).

    >>> [round(cosine_to_one(0.996, progress), 4) for progress in (0.0, 0.5, 1.0)]
    [0.996, 0.998, 1.0]
    """
    return 1 - (1 - ema_decay) * (math.cos(math.pi * progress) + 1) / 2


def check_decay(ema_decay: float) -> None:
    """Refuses a rate outside [0, 1].

    >>> check_decay(0.99)
    """
    if not 0 <= ema_decay <= 1:
        raise InputError(f"ema_decay must lie in [0, 1]; got {ema_decay}. MoCo and BYOL use 0.99 and above.")
