"""Multinomial logistic regression by preconditioned L-BFGS, warm-started along a path of penalties."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.linalg import eigh

DOUBLE_BELOW = 1 << 24
"""Values up to this many are fitted in float64; larger data in its own precision, its loss summed in float64."""

HISTORY = 20
"""Pairs that L-BFGS remembers."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What L-BFGS learnt of the curvature at one penalty, to be used at another."""

    pairs: list[tuple[Tensor, Tensor]]
    """Steps and the changes of the gradient along them, each flat [classes * (dim + 1)]."""
    scale: Float[Tensor, " columns"]
    """Length of each coordinate then; the last one is the intercept's."""
    penalty: float
    """Weight of ||W||^2 / 2 then."""

    def recall(self, state: dict[str, Any], scale: Float[Tensor, " columns"], penalty: float) -> bool:
        """Fills the state of a fresh `torch.optim.LBFGS`; false if there is nothing to recall.

        Of a step s in plain coordinates the gradient's change is y + (penalty now - then) s, exactly, as the
        cross-entropy is the same function and the intercept has no penalty.
        """
        kept = []
        free = torch.ones_like(scale)
        free[-1] = 0
        for step, change in self.pairs:
            plain = step.view(-1, len(scale)) * self.scale
            moved = change.view(-1, len(scale)) / self.scale + (penalty - self.penalty) * plain * free
            step, change = (plain / scale).flatten(), (moved * scale).flatten()
            product = step.dot(change)
            if bool(product > 1e-4 * torch.finfo(step.dtype).eps * step.norm() * change.norm()):
                kept.append((step, change, product))
        if not kept:
            return False
        _, last, product = kept[-1]
        nothing = torch.zeros_like(last)
        state.update(
            n_iter=1,
            d=nothing,
            t=0.0,
            prev_flat_grad=nothing.clone(),
            old_stps=[step for step, _, _ in kept],
            old_dirs=[change for _, change, _ in kept],
            ro=[1 / product for _, _, product in kept],
            H_diag=product / last.square().sum(),
        )
        return True


class LogisticPath:
    """The minimum of C sum(cross-entropy) + ||W||^2 / 2 (intercept free) for one C after another.

    As scikit-learn's `LogisticRegression`: for two classes the penalty is on the difference of the two rows.
    The coordinates are the principal axes, each scaled by the curvature there, so that few steps suffice.
    Each solution starts the next and hands on what was learnt of the curvature: between two penalties the
    pairs of L-BFGS change in a known way, because only the quadratic part of the loss does.
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
        self._memory: Memory | None = None

    def solve(self, inverse_penalty: float, *, tolerance: float, max_iter: int) -> bool:
        """Minimises from the last solution; false if `max_iter` came before the tolerance."""
        penalty = (2 if self.classes == 2 else 1) / (inverse_penalty * len(self.rows))
        curvature = (self.classes - 1) / self.classes**2
        scale = torch.cat([(self.variance * curvature + penalty).rsqrt(), self.variance.new_ones(1)])
        point = torch.cat([self.weight, self.bias[:, None]], dim=1) / scale
        point.requires_grad_(True)
        single = torch.finfo(point.dtype).eps > 1e-10
        optimiser = torch.optim.LBFGS(
            [point],
            max_iter=max_iter,
            max_eval=4 * max_iter,
            history_size=HISTORY,
            tolerance_grad=tolerance,
            tolerance_change=max(1e-3 * tolerance**2, 1e-9 if single else 0.0),
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            both = point.detach() * scale
            loss, slope, slope_bias = self._loss(both[:, :-1], both[:, -1], penalty)
            point.grad = torch.cat([slope, slope_bias[:, None]], dim=1) * scale
            return loss

        state = optimiser.state[point]
        recalled = self._memory is not None and self._memory.recall(state, scale, penalty)
        optimiser.step(closure)
        steps = state["n_iter"] - recalled
        pairs = list(zip(state.get("old_stps", []), state.get("old_dirs", []), strict=True))
        self._memory = Memory(pairs=pairs, scale=scale, penalty=penalty)
        self.iterations += steps
        both = point.detach() * scale
        self.weight, self.bias = both[:, :-1].clone(), both[:, -1].clone()
        return steps < max_iter

    def _loss(self, weight: Tensor, bias: Tensor, penalty: float) -> tuple[Tensor, Tensor, Tensor]:
        """Mean cross-entropy plus penalty, and its gradient."""
        logits = torch.addmm(bias, self.rows, weight.T)
        log_p = logits.log_softmax(dim=1)
        hit = log_p.gather(1, self.codes[:, None]).double().mean()  # on float64 the line search relies
        loss = penalty / 2 * weight.double().square().sum() - hit
        rest = log_p.exp()
        rest[torch.arange(len(rest), device=rest.device), self.codes] -= 1
        rest /= len(rest)
        return loss, rest.T @ self.rows + penalty * weight, rest.sum(dim=0)

    def coefficients(self) -> tuple[Float[Tensor, "classes dim"], Float[Tensor, " classes"]]:
        """Rows and intercepts for features as they came, neither centred nor rotated."""
        weight = self.weight @ self.axes.T / self.spread
        bias = self.bias - self.bias.mean() - weight @ self.mean
        return weight.to(self.dtype), bias.to(self.dtype)
