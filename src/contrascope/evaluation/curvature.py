"""What quasi-Newton steps learnt of a loss's curvature, kept apart from a penalty whose curvature is known."""

import torch
from jaxtyping import Float
from torch import Tensor

HISTORY = 20
"""Pairs that are remembered."""


class Curvature:
    """L-BFGS pairs of a loss without its penalty, so that what one penalty taught serves every other.

    Along a step s the slope of the loss changes by y; with a penalty p ||s||^2 / 2 on the free coordinates it
    changes by y + p s, exactly. Directions are those of Nocedal 1980 in the compact form of Byrd, Nocedal and
    Schnabel 1994: all pairs at once, in a few passes over them.

    >>> found = Curvature(free=torch.ones(2))
    >>> found.learn(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]]), penalty=0.0)
    >>> (0.0 + found.downhill(torch.tensor([[4.0, 0.0]]), torch.tensor([0.25, 0.25]), penalty=1.0)).tolist()
    [[-1.0, 0.0]]
    """

    def __init__(self, *, free: Float[Tensor, " columns"]) -> None:
        self.free = free
        self.forget()

    def forget(self) -> None:
        """Remembers nothing any more."""
        self._order: list[int] = []
        self._steps = self._changes = self._whole = self.free.new_empty(0, 0)
        self._gram = self.free.new_zeros(2, HISTORY, HISTORY, dtype=torch.float64)
        self._penalty, self._metric, self._unseen = float("nan"), self.free, 0

    @property
    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Steps and changes of the unpenalised slope [rows columns], the oldest first."""
        shape = (-1, len(self.free))
        return [(self._steps[at].view(shape), self._changes[at].view(shape)) for at in self._order]

    def learn(
        self, step: Float[Tensor, "rows columns"], change: Float[Tensor, "rows columns"], *, penalty: float
    ) -> None:
        """Remembers a step and the change of the unpenalised slope along it, unless rounding made it useless."""
        whole = change + penalty * step * self.free
        if not bool((step * whole).sum() > torch.finfo(step.dtype).eps * step.norm() * whole.norm()):
            return
        if not self._order:
            self._steps, self._changes, self._whole = step.new_zeros(3, HISTORY, step.numel())
        full = len(self._order) == HISTORY
        place = self._order.pop(0) if full else len(self._order)
        self._steps[place], self._changes[place] = step.flatten(), change.flatten()
        self._order.append(place)
        self._unseen += 1

    def downhill(
        self,
        slope: Float[Tensor, "rows columns"],
        inverse: Float[Tensor, " columns"],
        *,
        penalty: float,
    ) -> Float[Tensor, "rows columns"]:
        """Minus the inverse curvature times `slope`; `inverse` is the guess of it that the pairs mend."""
        if not self._order:
            return -slope * inverse
        guess, flat = inverse.repeat(len(slope)), slope.flatten()
        self._see(inverse, guess, penalty)
        used = len(self._order)  # places are taken in turn, so that those in use are the first
        steps, whole = self._steps[:used], self._whole[:used]
        order = torch.tensor(self._order, device=flat.device)
        rising, weighted = self._gram[:, order[:, None], order]
        rising, scale = rising.triu(), rising[-1, -1] / weighted[-1, -1]
        along = (steps @ flat)[order].double()[:, None]
        turned = scale * (whole @ (guess * flat))[order].double()[:, None]
        first = torch.linalg.solve_triangular(rising, along, upper=True)
        inner = rising.diagonal()[:, None] * first + scale * (weighted @ first) - turned
        second = torch.linalg.solve_triangular(rising.T, inner, upper=False)
        back = order.argsort()
        first, second = (part[back, 0].to(flat.dtype) for part in (first, second))
        found = scale.to(flat.dtype) * guess * (flat - first @ whole) + second @ steps
        return -found.view_as(slope)

    def _see(self, inverse: Tensor, guess: Tensor, penalty: float) -> None:
        """Products of steps and changes, and of changes with each other: all anew for another penalty or guess.

        Else those with the newest pair alone.
        """
        same = penalty == self._penalty and torch.equal(inverse, self._metric)
        free = self.free.repeat(len(guess) // len(self.free))
        if not same or self._unseen > 1:
            torch.addcmul(self._changes, self._steps, penalty * free, out=self._whole)
            self._gram[0] = self._steps @ self._whole.T
            self._gram[1] = (self._whole * guess) @ self._whole.T
        elif self._unseen:
            at = self._order[-1]
            newest = torch.addcmul(self._changes[at], self._steps[at], penalty * free)
            self._whole[at] = newest
            self._gram[0, :, at] = self._steps @ newest  # its row is of older changes, and below the diagonal
            self._gram[1, :, at] = self._gram[1, at] = self._whole @ (guess * newest)
        self._penalty, self._metric, self._unseen = penalty, inverse, 0
