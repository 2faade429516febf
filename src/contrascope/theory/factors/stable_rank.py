"""The stable rank of a covariance: how many directions as wide as the widest its variance would fill."""

from jaxtyping import Float
from torch import Tensor


def stable_rank(eigenvalues: Float[Tensor, " rank"]) -> float:
    """Sum of the eigenvalues over the largest, in [1, rank]; 0 where none is positive.

    NESum of He and Ozay 2022 (ICML, "Exploring the gap between collapsed and whitened features in self-supervised
    learning", eq. 5). One wide direction lowers it at once, where the effective rank hardly moves: never above the
    effective rank.

    >>> import torch
    >>> stable_rank(torch.tensor([4.0, 2.0, 2.0]))
    2.0
    """
    largest = float(eigenvalues.amax()) if len(eigenvalues) else 0.0
    return float(eigenvalues.clamp_min(0).sum()) / largest if largest > 0 else 0.0
