# ruff: noqa: N803 - scikit-learn's contract names the data X
"""Linear probe: multinomial logistic regression over a path of penalties, selected on a held-out part."""

import math
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from contrascope.errors import InputError, did_you_mean
from contrascope.evaluation.arrays import plain, query_rows, training_rows
from contrascope.evaluation.logistic import LogisticPath
from contrascope.evaluation.metric import METRICS, in_metric
from contrascope.intervals import generator


class LinearProbe(ClassifierMixin, BaseEstimator):
    """Softmax regression on standardised features with an L2 penalty, minimised by L-BFGS.

    The optimum is that of scikit-learn's `LogisticRegression(C=inverse_penalty_)` behind a `StandardScaler`.
    C is the value of `grid` that does best in `metric` on a stratified share `held_out` of the training rows,
    or on the rows that `fit` is told to hold out (of equal ones the smallest); the probe is then fitted anew
    on all rows. One value in `grid`: no selection.

    >>> h, y = torch.tensor([[0.0], [1.0], [8.0], [9.0]]), torch.tensor([5, 5, 7, 7])
    >>> LinearProbe(grid=(1.0,)).fit(h, y).predict(h).tolist()
    [5, 5, 7, 7]
    """

    def __init__(
        self,
        *,
        grid: tuple[float, ...] = tuple(10.0**power for power in range(-5, 4)),
        held_out: float = 0.2,
        metric: str = "top1",
        standardise: bool = True,
        tolerance: float = 1e-6,
        max_iter: int = 500,
        seed: int = 0,
    ) -> None:
        self.grid = grid
        self.held_out = held_out
        self.metric = metric
        self.standardise = standardise
        self.tolerance = tolerance
        self.max_iter = max_iter
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None, *, validation: Any = None) -> "LinearProbe":
        """Selects C and fits; rows of one group (the views of one image) are held out together.

        `validation`, true for some rows, names the rows on which C is selected instead of a drawn share.
        """
        rows, codes, self.classes_ = training_rows(self, X, y)
        self._check()
        grid = sorted(self.grid)
        self.held_out_accuracy_: dict[float, float] = {}
        best, start = grid[0], None
        if len(grid) > 1:
            out = self._held_out_rows(codes, groups, validation)
            best, start = self._select(rows, codes, out.to(rows.device), grid)
        self.inverse_penalty_ = best
        path = LogisticPath(rows, codes, len(self.classes_), standardise=self.standardise)
        if start is not None:  # the rows are nearly the same, and so is the solution
            path.start_at(*start)
        self.coef_, self.intercept_ = self._solve(path, best)
        self.n_iter_ = path.iterations
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits of every class; of two classes, the second's minus the first's."""
        logits = self._logits(X).cpu().numpy()
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of every class: rows sum to 1."""
        return self._logits(X).softmax(dim=1).cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class."""
        chosen = self.predict_proba(X).argmax(axis=1)
        return self.classes_[chosen]

    def _logits(self, rows: Any) -> Tensor:
        check_is_fitted(self)
        return torch.addmm(self.intercept_, query_rows(self, rows, self.coef_), self.coef_.T)

    def _check(self) -> None:
        if len(self.classes_) < 2:
            raise InputError("a linear probe needs at least 2 classes; the labels hold 1 class.")
        if not self.grid or min(self.grid) <= 0:
            raise InputError(f"grid={self.grid!r}; expected inverse penalties C above 0, at least one.")
        if not 0 < self.held_out < 1:
            raise InputError(f"held_out={self.held_out}; expected a share of train between 0 and 1.")
        if self.metric not in METRICS:
            raise InputError(f"metric={self.metric!r} is not known. {did_you_mean(self.metric, METRICS)}")

    def _solve(self, path: LogisticPath, inverse_penalty: float) -> tuple[Tensor, Tensor]:
        converged = path.solve(inverse_penalty, tolerance=self.tolerance, max_iter=self.max_iter)
        if not converged:
            warnings.warn(
                f"the linear probe stopped after max_iter={self.max_iter} at C={inverse_penalty:g}; "
                "raise max_iter.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return path.coefficients()

    def _held_out_rows(self, codes: Tensor, groups: Any, validation: Any) -> Tensor:
        if validation is not None:
            out = torch.as_tensor(plain(validation))
            if out.dtype != torch.bool or out.shape != codes.shape or not 0 < int(out.sum()) < len(codes):
                raise InputError(
                    f"validation has shape {tuple(out.shape)}, dtype {out.dtype} and {int(out.sum())} true rows; "
                    f"expected one boolean for each of {len(codes)} rows, some true and some false."
                )
            return out
        ids = np.arange(len(codes)) if groups is None else np.unique(plain(groups), return_inverse=True)[1]
        ids = torch.from_numpy(ids.reshape(-1)).to(codes.device)
        out = held_out_mask(codes, ids, len(self.classes_), share=self.held_out, seed=self.seed)
        if not bool(out.any()):
            raise InputError(
                f"no class has enough of the {len(codes)} rows to hold out a share of {self.held_out}; "
                "raise held_out, or give one value in `grid`."
            )
        return out

    def _select(
        self, rows: Tensor, codes: Tensor, out: Tensor, grid: list[float]
    ) -> tuple[float, tuple[Tensor, Tensor]]:
        """The best of the grid, of equal ones the smallest, and its coefficients."""
        path = LogisticPath(rows[~out], codes[~out], len(self.classes_), standardise=self.standardise)
        best, most, found = grid[0], -math.inf, path.coefficients()
        for inverse_penalty in grid:
            path.solve(inverse_penalty, tolerance=self.tolerance, max_iter=self.max_iter)
            coef, intercept = path.coefficients()  # a candidate may stop early; only the chosen one warns
            guess = torch.addmm(intercept, rows[out], coef.T).argmax(dim=1)
            hits = (guess == codes[out]).double()
            score = self.held_out_accuracy_[inverse_penalty] = in_metric(hits, codes[out], self.metric).item()
            if score > most:
                best, most, found = inverse_penalty, score, (coef, intercept)
        return best, found


def held_out_mask(codes: Tensor, ids: Tensor, num_classes: int, *, share: float, seed: int) -> Tensor:
    """True for the rows held out: of every class a share of its groups, rounded, but never all.

    >>> held_out_mask(torch.zeros(5, dtype=torch.int64), torch.arange(5), 1, share=0.4, seed=0).sum().item()
    2
    """
    out = torch.zeros(len(codes), dtype=torch.bool, device=codes.device)
    for code in range(num_classes):
        groups = ids[codes == code].unique()
        count = min(round(share * len(groups)), len(groups) - 1)
        order = torch.randperm(len(groups), generator=generator(seed, "held out", code))
        out |= torch.isin(ids, groups[order[:count].to(groups.device)]) & (codes == code)
    return out
