"""What is read off a list of singular values or eigenvalues, whatever they are of."""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import require_finite


def exp_entropy(values: Float[Tensor, " rank"], *, epsilon: float = 0.0) -> float:
    """exp(-sum p log p) with p = values / sum + epsilon, of values >= 0; 0 where all are 0.

    Of singular values this is the effective rank of a matrix (Roy and Vetterli 2007).

    >>> exp_entropy(torch.tensor([1.0, 1.0, 0.0]))
    2.0
    """
    shares = shares_of(values)
    return 0.0 if shares is None else math.exp(torch.special.entr(shares + epsilon).sum().item())


def shares_of(values: Float[Tensor, " rank"]) -> Float64[Tensor, " rank"] | None:
    """Values >= 0 divided by their sum; None where all are 0.

    >>> shares_of(torch.tensor([3.0, 1.0])).tolist()
    [0.75, 0.25]
    """
    require_finite(values[:, None], "values")
    values = values.detach().double()
    if len(values) == 0 or bool((values < 0).any()):
        raise InputError(
            f"{len(values)} values, least {values.min() if len(values) else None}; expected >= 0."
        )
    total = values.sum()
    return values / total if total > 0 else None
