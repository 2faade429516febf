# ruff: noqa: N803 - scikit-learn's contract names the data X
"""Weighted k-nearest-neighbour classifier on unit features."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from contrascope.errors import InputError
from contrascope.evaluation.arrays import query_rows, training_rows
from contrascope.linalg import nearest
from contrascope.settings import require_positive


class KNNClassifier(ClassifierMixin, BaseEstimator):
    """Votes of the k nearest neighbours in cosine similarity, each with weight exp(similarity / temperature).

    Wu et al. 2018 (arXiv:1805.01978), section 3.4. There is no default for `k` or `temperature`: papers
    on CIFAR use 200 and 0.1 (`Protocol` has these). Equal votes go to the lower class. More neighbours
    than training rows are an error, never a silent clip.

    >>> import torch
    >>> h, y = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), torch.tensor([5, 5, 7])
    >>> KNNClassifier(k=1, temperature=0.1).fit(h, y).predict(torch.tensor([[0.1, 2.0]])).tolist()
    [7]
    """

    def __init__(self, *, k: int, temperature: float) -> None:
        self.k = k
        self.temperature = temperature

    def fit(self, X: Any, y: Any) -> "KNNClassifier":
        """Keeps the rows as the bank."""
        bank, codes, self.classes_ = training_rows(self, X, y)
        if not 1 <= self.k <= len(bank):
            raise InputError(
                f"k={self.k} neighbours asked of a bank of n_samples = {len(bank)}. "
                f"Choose 1 <= k <= {len(bank)}."
            )
        require_positive(temperature=self.temperature)
        self.bank_, self.codes_ = bank, codes
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Share of the votes of every class: rows sum to 1."""
        check_is_fitted(self)
        query = query_rows(self, X, self.bank_)
        found = nearest(query, self.bank_, self.k)
        weight = ((found.value - found.value[:, :1]) / self.temperature).exp()
        votes = weight.new_zeros((len(query), len(self.classes_)))
        votes.scatter_add_(1, self.codes_[found.index], weight)
        return (votes / votes.sum(dim=1, keepdim=True)).cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The class with most votes."""
        chosen = self.predict_proba(X).argmax(axis=1)
        return self.classes_[chosen]
