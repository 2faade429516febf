"""Multinomial logistic regression by preconditioned L-BFGS, warm-started along a path of penalties."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.linalg import eigh

DOUBLE_BELOW = 1 << 25
"""Values up to this many are fitted in float64; larger data in its own precision."""

HISTORY = 20
"""Pairs that L-BFGS remembers."""


class LogisticPath:
    """The minimum of C sum(cross-entropy) + ||W||^2 / 2 (intercept free) for one C after another.

    As scikit-learn's `LogisticRegression`: for two classes the penalty is on the difference of the two rows.
    The coordinates are the principal axes, each scaled by the curvature there, so that few steps suffice;
    each solution starts the next.
    """

    def __init__(
        self, rows: Float[Tensor, "n dim"], codes: Int[Tensor, " n"], num_classes: int, *, standardise: bool
    ) -> None:
        work = rows.double() if rows.numel() <= DOUBLE_BELOW else rows
        self.dtype = rows.dtype
        self.mean = work.mean(dim=0)
        spread = (work - self.mean).square().mean(dim=0).sqrt()
        spread = torch.where(spread > 10 * torch.finfo(work.dtype).eps * self.mean.abs(), spread, 1.0)
        self.spread = spread if standardise else torch.ones_like(spread)
        work = (work - self.mean) / self.spread
        variance, self.axes = eigh(work.T @ work / len(work))
        self.variance = variance.clamp_min(0)
        self.rows = work @ self.axes
        self.codes = codes
        self.classes = num_classes
        self.weight = work.new_zeros(num_classes, work.shape[1])
        self.bias = work.new_zeros(num_classes)
        self.iterations = 0

    def solve(self, inverse_penalty: float, *, tolerance: float, max_iter: int) -> bool:
        """Minimises from the last solution; false if `max_iter` came before the tolerance."""
        penalty = (2 if self.classes == 2 else 1) / (inverse_penalty * len(self.rows))
        curvature = (self.classes - 1) / self.classes**2
        scale = (self.variance * curvature + penalty).rsqrt()
        point = torch.cat([self.weight / scale, self.bias[:, None]], dim=1)
        point.requires_grad_(True)
        optimiser = torch.optim.LBFGS(
            [point],
            max_iter=max_iter,
            max_eval=4 * max_iter,
            history_size=HISTORY,
            tolerance_grad=tolerance,
            tolerance_change=1e-3 * tolerance**2,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            weight, bias = point.detach()[:, :-1] * scale, point.detach()[:, -1]
            loss, slope, slope_bias = self._loss(weight, bias, penalty)
            point.grad = torch.cat([slope * scale, slope_bias[:, None]], dim=1)
            return loss

        optimiser.step(closure)
        steps = optimiser.state[point]["n_iter"]
        self.iterations += steps
        self.weight, self.bias = point.detach()[:, :-1] * scale, point.detach()[:, -1].clone()
        return steps < max_iter

    def _loss(self, weight: Tensor, bias: Tensor, penalty: float) -> tuple[Tensor, Tensor, Tensor]:
        """Mean cross-entropy plus penalty, and its gradient."""
        logits = torch.addmm(bias, self.rows, weight.T)
        log_p = logits.log_softmax(dim=1)
        loss = -log_p.gather(1, self.codes[:, None]).mean() + penalty / 2 * weight.square().sum()
        rest = log_p.exp()
        rest[torch.arange(len(rest), device=rest.device), self.codes] -= 1
        rest /= len(rest)
        return loss, rest.T @ self.rows + penalty * weight, rest.sum(dim=0)

    def coefficients(self) -> tuple[Float[Tensor, "classes dim"], Float[Tensor, " classes"]]:
        """Rows and intercepts for features as they came, neither centred nor rotated."""
        weight = self.weight @ self.axes.T / self.spread
        bias = self.bias - self.bias.mean() - weight @ self.mean
        return weight.to(self.dtype), bias.to(self.dtype)
