"""Muon: kernels of convolutions turn by whole directions of their gradient, all else moves by AdamW."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.adamw import adamw

from contrascope.machine.arithmetic import multiplies_bf16
from contrascope.training.grouped import GroupedOptimizer

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of one step of the iteration (Jordan et al. 2024): steep at 0; values end between 0.7 and 1.2."""
MOST_PICTURE_CHANNELS = 4
"""Kernels that see no more channels than a picture has are left to AdamW, as are those of single channels."""


def is_kernel(parameter: Tensor) -> bool:
    """Whether Muon turns it: the kernel of a convolution that sees more channels than a picture has.

    >>> is_kernel(torch.zeros(8, 3, 3, 3)), is_kernel(torch.zeros(8, 16, 3, 3)), is_kernel(torch.zeros(8, 16))
    (False, True, False)
    """
    return parameter.ndim == 4 and parameter.shape[1] > MOST_PICTURE_CHANNELS


def orthogonal(
    matrix: Float[Tensor, "rows columns"], *, steps: int = 3, dtype: torch.dtype | None = None
) -> Float[Tensor, "rows columns"]:
    """A matrix of about the same directions whose singular values lie near 1, by Newton and Schulz's iteration.

    With few steps small singular values stay small; those of a zero matrix stay 0. `dtype` is that of the arithmetic;
    unset, bf16 where the device multiplies it fast (off by a tenth, which training does not notice), else float32.

    >>> orthogonal(torch.diag(torch.tensor([3.0, 2.0]))).diagonal().gt(0.6).tolist()
    [True, True]
    """
    a, b, c = QUINTIC
    if dtype is None:
        dtype = torch.bfloat16 if multiplies_bf16(matrix.device.type) else torch.float32
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.mT if tall else matrix).to(dtype)
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


class Muon(GroupedOptimizer):
    """Momentum whose every direction counts alike (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

    A kernel keeps the length it began with, which a batch norm behind it makes meaningless, and turns: in units of that
    length over sqrt(out channels) it moves by `turn` times the learning rate of its group along its orthogonalised
    momentum (Nesterov's, 0.6 as in airbench). All other parameters are AdamW's, and those of a network without such
    kernels are all.

    >>> kernel = nn.Parameter(torch.ones(2, 8, 1, 1))
    >>> kernel.grad = torch.zeros(2, 8, 1, 1)
    >>> Muon([kernel], lr=0.1).step()
    >>> round(kernel.norm().item(), 4)
    4.0
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        turn: float = 50.0,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        kernel_momentum: float = 0.6,
    ) -> None:
        defaults = {
            "lr": lr,
            "turn": turn,
            "betas": betas,
            "weight_decay": weight_decay,
            "kernel_momentum": kernel_momentum,
        }
        super().__init__(params, defaults)

    def move(self, moved: list[nn.Parameter], group: dict[str, Any]) -> None:
        self._adamw([p for p in moved if not is_kernel(p)], group)
        for p in moved:
            if is_kernel(p):
                self._turn(p, group)

    def _turn(self, p: Tensor, group: dict[str, Any]) -> None:
        state, momentum = self.state[p], group["kernel_momentum"]
        if not state:
            length = p.norm()
            state["momentum_buffer"] = torch.zeros_like(p)
            state["length"] = torch.where(length > 0, length, torch.full_like(length, len(p) ** 0.5))
        velocity = state["momentum_buffer"].mul_(momentum).add_(p.grad)
        direction = orthogonal((p.grad + momentum * velocity).flatten(1)).view(p.shape)
        now, length = p.norm(), state["length"]
        p.mul_(torch.where(now > 0, length / now, torch.ones_like(now)))
        p.sub_(direction * (length * (group["lr"] * group["turn"] / len(p) ** 0.5)))

    def _adamw(self, moved: list[nn.Parameter], group: dict[str, Any]) -> None:
        if not moved:
            return
        for p in moved:
            if not self.state[p]:
                self.state[p].update(
                    step=torch.zeros((), dtype=torch.float32, device=p.device),
                    exp_avg=torch.zeros_like(p),
                    exp_avg_sq=torch.zeros_like(p),
                )
        states = [self.state[p] for p in moved]
        adamw(
            list(moved),
            [p.grad for p in moved if p.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )
