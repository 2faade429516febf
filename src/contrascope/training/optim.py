"""Optimisers: SGD, AdamW, Muon, and LARS with the published trust ratio."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from contrascope.errors import InputError
from contrascope.methods.base import Method
from contrascope.training.grouped import GroupedOptimizer
from contrascope.training.muon import Muon
from contrascope.training.settings import OptimSettings, ScheduleSettings


def learning_rate(
    step: int | float, *, steps: int, steps_per_epoch: int, peak: float, schedule: ScheduleSettings
) -> float:
    """Learning rate of a step (counted from 0, or a position between two), a pure function of it.

    >>> s = ScheduleSettings(warmup_epochs=1.0)
    >>> [round(learning_rate(i, steps=20, steps_per_epoch=2, peak=1.0, schedule=s), 2) for i in (0, 1, 2, 11)]
    [0.5, 1.0, 1.0, 0.5]
    """
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule.name == "constant":
        return peak
    progress = (step - warmup) / max(1, steps - warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (schedule.final_fraction + (1 - schedule.final_fraction) * cosine)


def build_optimizer(
    settings: OptimSettings, network: nn.Module | Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """An optimiser over the trainable parameters, in at most two groups (decayed, not decayed)."""
    if settings.lr <= 0:
        raise InputError(f"optim.lr is {settings.lr}; expected a number above 0.")
    if settings.name == "muon" and settings.kernel_rate <= 0:
        raise InputError(
            f"optim.kernel_rate is {settings.kernel_rate}; expected a number above 0, about 0.1."
        )
    parameters = network.parameters() if isinstance(network, nn.Module) else network
    trainable = [p for p in parameters if p.requires_grad]
    plain = [p for p in trainable if settings.exclude_norm_and_bias and p.ndim <= 1]
    decayed = [p for p in trainable if not (settings.exclude_norm_and_bias and p.ndim <= 1)]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": settings.weight_decay, "adapt": True}]
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0, "adapt": False})
    if settings.name == "lars":
        return LARS(groups, lr=settings.lr, momentum=settings.momentum, trust=settings.trust)
    if settings.name == "muon":
        betas = (settings.momentum, 0.999)
        return Muon(groups, lr=settings.lr, turn=settings.kernel_rate / settings.lr, betas=betas)
    if settings.name == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.momentum, 0.999), fused=True)
    return torch.optim.SGD(
        groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov, fused=True
    )


class Optimisers:
    """The optimisers of a method by name, all with the same settings; one without a name moves all."""

    def __init__(self, settings: OptimSettings, method: Method) -> None:
        self.settings, self.parts = settings, dict(method.optimised())
        unknown = [turn for turn in method.turns if turn not in self.parts]
        if unknown or not method.turns:
            raise InputError(
                f"{type(method).__name__} has turns {method.turns}; expected names of its optimisers, "
                f"{', '.join(map(repr, self.parts))}."
            )
        shared = [p for part in self.parts.values() for p in part.parameters]
        if len({id(p) for p in shared}) != len(shared):
            raise InputError(
                f"{type(method).__name__} gives a parameter to two optimisers; expected one for each."
            )
        self.by_name = {name: build_optimizer(settings, part.parameters) for name, part in self.parts.items()}

    def set_rate(self, rate: float) -> None:
        """The learning rate of the step, which each optimiser's own factor multiplies."""
        for name, one in self.by_name.items():
            for group in one.param_groups:
                group["lr"] = rate * self.parts[name].rate

    def parameters(self, name: str) -> tuple[nn.Parameter, ...]:
        """What the optimiser of this name moves."""
        return self.parts[name].parameters

    def step(self, name: str, *, clip_norm: float) -> None:
        """One move of the optimiser of this name; the gradient is clipped first, if at all."""
        if clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters(name), clip_norm)
        self.by_name[name].step()


class LARS(GroupedOptimizer):
    """SGD whose rate is scaled per tensor by trust * |w| / |g + wd * w| (You et al. 2017, arXiv:1708.03888).

    Groups with `adapt=False` are plain momentum SGD, as SimCLR and Barlow Twins treat biases and norms.
    A tensor whose weight or gradient is zero is not scaled.

    >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> w.grad = torch.tensor([0.0, 1.0])
    >>> LARS([w], lr=1.0, momentum=0.0, trust=0.1).step()
    >>> w.data
    tensor([3.0000, 3.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        momentum: float = 0.9,
        trust: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "trust": trust,
            "weight_decay": weight_decay,
            "adapt": True,
        }
        super().__init__(params, defaults)

    def move(self, moved: list[nn.Parameter], group: dict[str, Any]) -> None:
        for p in moved:
            if p.grad is not None:
                self._update(p, p.grad, group)

    def _update(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        update = grad.add(p, alpha=group["weight_decay"])
        if group["adapt"]:
            weight, slope = p.norm(), update.norm()
            ratio = group["trust"] * weight / slope
            update = update * torch.where((weight > 0) & (slope > 0), ratio, torch.ones_like(ratio))
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        velocity = state["momentum_buffer"].mul_(group["momentum"]).add_(update)
        p.add_(velocity, alpha=-group["lr"])
