"""The door of the estimators: tensors or arrays in, checked arrays and tensors out."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from torch import Tensor

REALS = [np.float64, np.float32]


def plain(values: Any) -> Any:
    """A tensor as an array (bfloat16 and float16 as float32); anything else as it is."""
    if not isinstance(values, Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.dtype in (torch.bfloat16, torch.float16) else values).numpy()


def training_rows(
    estimator: BaseEstimator, rows: Any, y: Any
) -> tuple[Float[Tensor, "n dim"], Int[Tensor, " n"], np.ndarray]:
    """Rows on the device they came on, class codes from 0, and the classes; checked by scikit-learn."""
    array, labels = validate_data(estimator, plain(rows), plain(y), dtype=REALS)
    check_classification_targets(labels)
    classes, codes = np.unique(labels, return_inverse=True)
    device = rows.device if isinstance(rows, Tensor) else torch.device("cpu")
    return _tensor(np.asarray(array)).to(device), torch.from_numpy(codes).to(device), classes


def query_rows(estimator: BaseEstimator, rows: Any, like: Tensor) -> Float[Tensor, "n dim"]:
    """Rows to predict, in the dtype and on the device of a fitted tensor."""
    array = validate_data(estimator, plain(rows), dtype=REALS, reset=False)
    return _tensor(np.asarray(array)).to(device=like.device, dtype=like.dtype)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())
