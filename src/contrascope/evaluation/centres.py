# ruff: noqa: N803 - scikit-learn's contract names the data X
"""The nearest-centre classifier of the theory, with all labels or a few."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from contrascope.errors import InputError
from contrascope.evaluation.arrays import query_rows, training_rows
from contrascope.intervals import generator
from contrascope.linalg import class_means, squared_distances, unit_rows

BLOCK_FLOATS = 1 << 24
"""Floats of one block of distances."""


class NearestCentre(ClassifierMixin, BaseEstimator):
    """Class of the nearest centre: G(x) = argmin_k ||f(x) - mu_k||, mu_k the mean over images and views.

    Huang et al. 2023 (arXiv:2111.00743), section 2: give all views as rows, each with its image's label.
    With `normalise` f(x) has unit length, as the theory has it; the centres are not normalised again.
    Equal distances go to the lower class.

    >>> h, y = torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([5, 5, 7])
    >>> NearestCentre().fit(h, y).predict(torch.tensor([[8.0]])).tolist()
    [7]
    """

    def __init__(self, *, normalise: bool = False) -> None:
        self.normalise = normalise

    def fit(self, X: Any, y: Any) -> "NearestCentre":
        """Averages the rows of every class."""
        rows, codes, self.classes_ = training_rows(self, X, y)
        self.centres_ = class_means(self._rows(rows), codes, len(self.classes_))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The class of the nearest centre."""
        check_is_fitted(self)
        rows = query_rows(self, X, self.centres_)
        distances = squared_distances(self._rows(rows), self.centres_)
        return self.classes_[distances.cpu().numpy().argmin(axis=1)]

    def error(self, X: Any, y: Any) -> float:
        """Err(G): share of rows whose nearest centre is another class's, in [0, 1]."""
        return 1.0 - float(self.score(X, y))

    def _rows(self, rows: Tensor) -> Tensor:
        return unit_rows(rows) if self.normalise else rows


def few_label_hits(
    train: Float[Tensor, "n dim"],
    train_y: Int[Tensor, " n"],
    test: Float[Tensor, "m dim"],
    test_y: Int[Tensor, " m"],
    *,
    shots: int,
    draws: int,
    seed: int = 0,
) -> Bool[Tensor, "draws m"]:
    """Whether the nearest-centre classifier is right: each draw of `shots` labels a class, each test row.

    A draw takes `shots` different training rows of every class, uniformly; all draws are computed at once.

    >>> h, y = torch.tensor([[0.0], [1.0], [8.0], [9.0]]), torch.tensor([0, 0, 1, 1])
    >>> few_label_hits(h, y, h, y, shots=1, draws=3).all().item()
    True
    """
    classes, codes = train_y.unique(return_inverse=True)
    chosen = _draw_labelled(codes, classes, shots=shots, draws=draws, seed=seed).to(train.device)
    centres = torch.zeros(draws, len(classes), train.shape[1], dtype=train.dtype, device=train.device)
    for shot in range(shots):
        centres += train[chosen[:, :, shot]] / shots
    flat = centres.flatten(0, 1) - train.mean(dim=0)
    test = test - train.mean(dim=0)
    half = flat.square().sum(dim=1) / 2
    hits = torch.empty(draws, len(test), dtype=torch.bool, device=test.device)
    step = max(1, BLOCK_FLOATS // len(flat))
    for start in range(0, len(test), step):
        score = torch.addmm(half, test[start : start + step], flat.T, alpha=-1)
        guess = score.view(-1, draws, len(classes)).argmin(dim=2)
        hits[:, start : start + step] = (classes[guess] == test_y[start : start + step, None]).T
    return hits


def _draw_labelled(codes: Tensor, classes: Tensor, *, shots: int, draws: int, seed: int) -> Tensor:
    """Rows of the labelled images [draws classes shots]."""
    if shots < 1 or draws < 1:
        raise InputError(f"shots={shots}, draws={draws}; both are at least 1.")
    chosen = torch.empty(draws, len(classes), shots, dtype=torch.int64)
    for code, name in enumerate(classes.tolist()):
        members = (codes == code).nonzero().flatten().cpu()
        if len(members) < shots:
            raise InputError(
                f"shots={shots} labels asked of class {name}, which has "
                f"{len(members)} training images. Lower `shots`."
            )
        keys = torch.rand(
            draws, len(members), generator=generator(seed, "few labels", shots, name), dtype=torch.float32
        )
        chosen[:, code] = members[keys.topk(shots, dim=1).indices]
    return chosen
