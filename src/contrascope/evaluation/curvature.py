"""What quasi-Newton steps learnt of a loss's curvature, kept apart from a penalty whose curvature is known."""

import torch
from jaxtyping import Float
from torch import Tensor

HISTORY = 20
"""Pairs that are remembered."""


class Curvature:
    """L-BFGS pairs of a loss without its penalty, so that what one penalty taught serves every other.

    Along a step s the slope of the loss changes by y; with a penalty p ||s||^2 / 2 on the free coordinates it
    changes by y + p s, exactly. Directions are those of Nocedal 1980's two loops.

    >>> found = Curvature(free=torch.ones(2))
    >>> found.learn(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]]), penalty=0.0)
    >>> found.downhill(torch.tensor([[4.0, 0.0]]), torch.tensor([0.25, 0.25]), penalty=1.0).tolist()
    [[-1.0, 0.0]]
    """

    def __init__(self, *, free: Float[Tensor, " columns"]) -> None:
        self.free = free
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def learn(
        self, step: Float[Tensor, "rows columns"], change: Float[Tensor, "rows columns"], *, penalty: float
    ) -> None:
        """Remembers a step and the change of the unpenalised slope along it, unless rounding made it useless."""
        whole = change + penalty * step * self.free
        if bool((step * whole).sum() > torch.finfo(step.dtype).eps * step.norm() * whole.norm()):
            self.pairs = [*self.pairs, (step, change)][-HISTORY:]

    def downhill(
        self,
        slope: Float[Tensor, "rows columns"],
        inverse: Float[Tensor, " columns"],
        *,
        penalty: float,
    ) -> Float[Tensor, "rows columns"]:
        """Minus the inverse curvature times `slope`; `inverse` is the guess of it that the pairs mend."""
        pairs = [(step, change + penalty * step * self.free) for step, change in self.pairs]
        products = [(step * change).sum() for step, change in pairs]
        rest, shares = -slope, []
        for (step, change), product in zip(reversed(pairs), reversed(products), strict=True):
            shares.append((step * rest).sum() / product)
            rest = rest - shares[-1] * change
        if pairs:
            last = pairs[-1][1]
            inverse = inverse * products[-1] / (last.square() * inverse).sum()
        found = rest * inverse
        for (step, change), product, share in zip(pairs, products, reversed(shares), strict=True):
            found = found + step * (share - (change * found).sum() / product)
        return found
