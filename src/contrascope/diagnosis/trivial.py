"""What a simple function of trivial statistics predicts of an embedding, on images that it did not see."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from contrascope.diagnosis.statistics import polynomial
from contrascope.intervals import generator

FOLDS = 5
"""Parts of the images; each is predicted by a regression on the other four."""
PENALTIES = (1e-4, 1e-2, 1e-1, 1.0, 10.0, 1e3)
"""Ridge penalties over the mean eigenvalue of the normal equations; the one that predicts best is taken."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Predictions, and how they were made."""

    rows: Float64[Tensor, "views n dim"]
    """Of each row by the others' regression."""
    penalty: float
    """The ridge penalty that was taken."""


def predicted(
    rows: Float[Tensor, "views n dim"],
    statistics: Float[Tensor, "views n statistics"],
    *,
    penalties: Sequence[float] = PENALTIES,
    fold: Int[Tensor, " n"] | None = None,
    seed: int = 0,
) -> Predicted:
    """Out-of-fold predictions of `rows` by a quadratic function of their views' statistics.

    Ridge regression; the penalty is the one with the least squared error on images that were left out, so that few
    images do not overfit the 35 terms of a colour image. All views of an image are in one fold.

    >>> stats = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(0))
    >>> (predicted(2 * stats, stats).rows - 2 * stats).abs().max().item() < 0.01
    True
    """
    views, n, _ = rows.shape
    y = rows.detach().double().cpu()
    x = polynomial(statistics.detach().flatten(0, 1).cpu()).view(views, n, -1)
    fold = folds_of(n, seed=seed) if fold is None else fold
    guesses = torch.empty(len(penalties), *y.shape, dtype=torch.float64)
    for part in range(FOLDS):
        kept = fold != part
        guesses[:, :, ~kept] = _ridge(
            x[:, kept].flatten(0, 1), y[:, kept].flatten(0, 1), x[:, ~kept], penalties
        )
    best = int((guesses - y).square().sum(dim=(1, 2, 3)).argmin())
    return Predicted(rows=guesses[best], penalty=penalties[best])


def folds_of(n: int, *, seed: int = 0) -> Int[Tensor, " n"]:
    """The fold of each image, 0 to 4.

    >>> folds_of(10).bincount().tolist()
    [2, 2, 2, 2, 2]
    """
    return torch.randperm(n, generator=generator(seed, "trivial folds")) % FOLDS


def _ridge(x: Tensor, y: Tensor, asked: Tensor, penalties: Sequence[float]) -> Tensor:
    """Predictions [penalties views n dim] by regressions on `x` and `y`."""
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    values, vectors = torch.linalg.eigh((x - x_mean).T @ (x - x_mean))
    values = values.clamp_min(0)
    crossed = vectors.T @ ((x - x_mean).T @ (y - y_mean))
    scale = values.mean() + torch.finfo(x.dtype).tiny
    weights = torch.stack([crossed / (values + one * scale)[:, None] for one in penalties])
    return ((asked - x_mean) @ vectors)[None] @ weights[:, None] + y_mean
