"""Multinomial logistic regression by preconditioned L-BFGS along a path of penalties, each solution foretold."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.evaluation.curvature import Curvature
from contrascope.linalg import eigh

DOUBLE_BELOW = 1 << 22
"""Values up to this many are fitted in float64; larger data in its own precision, its loss summed in float64."""

TRIALS = 12
"""Step lengths that are tried along one direction."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Coefficients with the cross-entropy there and its slope, both without penalty: they serve every penalty."""

    theta: Float[Tensor, "classes columns"]
    """Weights in the solver's coordinates, the intercepts last."""
    loss: float
    """Mean cross-entropy in nats."""
    slope: Float[Tensor, "classes columns"]
    """Its gradient."""


class LogisticPath:
    """The minimum of C sum(cross-entropy) + ||W||^2 / 2 (intercept free) for one C after another.

    With fewer rows than features everything happens in the space of the rows, where the minimum lies.
    As scikit-learn's `LogisticRegression`: for two classes the penalty is on the difference of the two rows.
    The first guess of the curvature is diagonal in the principal axes: Bohning's bound (1992) there. Along the
    path nothing is forgotten: the last two solutions foretell the next one (straight on in log C), the loss
    and the slope at the last one are known for every C, and the pairs of L-BFGS lose nothing, as only the
    penalty changes. A solution that still holds at the next C costs no look at the data.
    """

    def __init__(
        self, rows: Float[Tensor, "n dim"], codes: Int[Tensor, " n"], num_classes: int, *, standardise: bool
    ) -> None:
        work = rows.double() if rows.numel() <= DOUBLE_BELOW else rows
        self.dtype = rows.dtype
        self.mean = work.mean(dim=0)
        work = work - self.mean
        spread = work.square().mean(dim=0).sqrt()
        spread = torch.where(spread > 10 * torch.finfo(work.dtype).eps * self.mean.abs(), spread, 1.0)
        self.spread = spread if standardise else torch.ones_like(spread)
        work = work / self.spread if standardise else work
        work, basis = in_row_space(work)
        variance, turned = eigh(work.T @ work / len(work))
        self.axes = turned if basis is None else basis @ turned
        # what lies below is rounding, and its inverse would be no guess at all
        least = torch.finfo(work.dtype).eps * variance.max().clamp_min(0)
        self.variance = variance.clamp_min(least)
        self.rows = work @ turned
        self.codes = codes
        self.order = torch.arange(len(codes), device=codes.device)
        self.classes = num_classes
        self.iterations = 0
        """Steps taken."""
        self.looks = 0
        """Passes over the data."""
        free = torch.cat([torch.ones_like(self.variance), self.variance.new_zeros(1)])
        self._curvature = Curvature(free=free)
        self._at: Point | None = None
        self._solved: list[tuple[float, Tensor]] = []

    def start_at(self, coef: Float[Tensor, "classes dim"], intercept: Float[Tensor, " classes"]) -> None:
        """Starts from coefficients for features as they came: those of nearly the same rows, say."""
        coef = coef.to(self.rows)
        weight, bias = (coef * self.spread) @ self.axes, intercept.to(self.rows) + coef @ self.mean
        self._at, self._solved = self._look(torch.cat([weight, bias[:, None]], dim=1)), []

    def solve(self, inverse_penalty: float, *, tolerance: float, max_iter: int) -> bool:
        """Minimises from what is known; false if `max_iter` steps came before the tolerance.

        `tolerance` is the length of the slope in the metric of the inverse curvature, as L-BFGS knows it: the
        objective (per row, in nats) is then about tolerance^2 / 2 above its minimum. Below 1000 times the
        rounding of the numbers it is that.
        """
        penalty = (2 if self.classes == 2 else 1) / (inverse_penalty * len(self.rows))
        enough = max(tolerance, 1e3 * torch.finfo(self.rows.dtype).eps) ** 2
        at = self._at or self._look(self.rows.new_zeros(self.classes, self.rows.shape[1] + 1))
        direction, descent = self._downhill(at, penalty)
        steps = 0
        if descent > enough and max_iter > 0 and (guess := self._foretold(at, penalty)) is not None:
            at, steps = guess, 1
            direction, descent = self._downhill(at, penalty)
        while descent > enough and steps < max_iter:
            new = self._along(at, direction, descent, penalty)
            if new is None:  # rounding: no step leads down any more
                break
            at, steps = new, steps + 1
            direction, descent = self._downhill(at, penalty)
        self._at = at
        self._solved = [*self._solved, (math.log(penalty), at.theta)][-2:]
        self.iterations += steps
        return steps < max_iter or descent <= enough

    def _foretold(self, at: Point, penalty: float) -> Point | None:
        """The point that the last two solutions point to, if it is better than the last one."""
        if len(self._solved) < 2:
            return None
        (first, before), (second, last) = self._solved
        if abs(second - first) < 1e-9:
            return None
        share = (math.log(penalty) - second) / (second - first)
        guess = self._look(last + share * (last - before))
        self._curvature.learn(guess.theta - at.theta, guess.slope - at.slope, penalty=penalty)
        return guess if self._objective(guess, penalty) < self._objective(at, penalty) else None

    def _downhill(self, at: Point, penalty: float) -> tuple[Tensor, float]:
        """The step that L-BFGS proposes, and minus its slope: about twice what there is to gain."""
        scale = (self.classes - 1) / self.classes**2
        inverse = torch.cat([1 / (self.variance * scale + penalty), self.variance.new_full((1,), 1 / scale)])
        slope = self._slope(at, penalty)
        step = self._curvature.downhill(slope, inverse, penalty=penalty)
        return step, -(step * slope).sum().item()

    def _along(self, at: Point, direction: Tensor, descent: float, penalty: float) -> Point | None:
        """A point on the line that is lower and less steep; where a convex loss still falls, it is lower."""
        length, start = 1.0, self._objective(at, penalty)
        for _ in range(TRIALS):
            new = self._look(at.theta + length * direction)
            steep = (self._slope(new, penalty) * direction).sum().item()
            lower = steep <= 0 or self._objective(new, penalty) <= start - 1e-4 * length * descent
            if lower and abs(steep) <= 0.9 * descent:
                self._curvature.learn(new.theta - at.theta, new.slope - at.slope, penalty=penalty)
                return new
            length *= min(10.0, max(0.1, descent / (descent + steep))) if descent + steep > 0 else 10.0
        return None

    def _objective(self, at: Point, penalty: float) -> float:
        return at.loss + penalty / 2 * at.theta[:, :-1].double().square().sum().item()

    def _slope(self, at: Point, penalty: float) -> Tensor:
        return at.slope + penalty * at.theta * self._curvature.free

    def _look(self, theta: Tensor) -> Point:
        """One pass over the data; classes in rows, as a softmax over few columns is slow."""
        self.looks += 1
        log_p = torch.addmm(theta[:, -1:], theta[:, :-1], self.rows.T).log_softmax(dim=0)
        loss = -log_p[self.codes, self.order].double().mean().item()  # on float64 the line search relies
        rest = log_p.exp_()
        rest[self.codes, self.order] -= 1
        rest /= len(self.rows)
        slope = torch.cat([rest @ self.rows, rest.sum(dim=1, keepdim=True)], dim=1)
        return Point(theta=theta, loss=loss, slope=slope)

    def coefficients(self) -> tuple[Float[Tensor, "classes dim"], Float[Tensor, " classes"]]:
        """Rows and intercepts for features as they came, neither centred nor rotated; zeros before `solve`."""
        if self._at is None:
            zeros = self.rows.new_zeros(self.classes, self.rows.shape[1] + 1).to(self.dtype)
            return zeros[:, :-1], zeros[:, -1]
        weight = self._at.theta[:, :-1] @ self.axes.T / self.spread
        bias = self._at.theta[:, -1]
        bias = bias - bias.mean() - weight @ self.mean
        return weight.to(self.dtype), bias.to(self.dtype)


def in_row_space(
    rows: Float[Tensor, "n dim"],
) -> tuple[Float[Tensor, "n rank"], Float[Tensor, "dim rank"] | None]:
    """Fewer rows than features: their coordinates in an orthonormal basis of their span, and that basis; else as is.

    A penalty on the length of the weights keeps them in that span, so nothing is lost; pixels are many more than rows.

    >>> few, basis = in_row_space(torch.tensor([[0.0, 3.0, 4.0]]))
    >>> few.abs().tolist(), (few @ basis.T).round(decimals=4).tolist()
    ([[5.0]], [[0.0, 3.0, 4.0]])
    """
    if len(rows) >= rows.shape[1]:
        return rows, None
    basis, coordinates = torch.linalg.qr(rows.T)
    return coordinates.T, basis
