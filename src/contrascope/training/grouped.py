"""What optimisers of ours share: one step is one move of every group."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class GroupedOptimizer(torch.optim.Optimizer):
    """An optimiser that says how the parameters of one group move, given which of them have a gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; a closure, which finds the gradients, is called first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.move([p for p in group["params"] if p.grad is not None], group)
        return loss

    @abstractmethod
    def move(self, moved: list[nn.Parameter], group: dict[str, Any]) -> None:
        """One update of these parameters of a group, each with its gradient."""
