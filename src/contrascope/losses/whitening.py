"""Whitening: embeddings with the mean zero and the identity as covariance."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError
from contrascope.linalg import at_least_single


def whitened(z: Float[Tensor, "*stack batch dim"]) -> Float[Tensor, "*stack batch dim"]:
    """Embeddings less their mean, times the inverse of the Cholesky factor of their covariance (divisor batch - 1).

    Mean and covariance of the result are zero and the identity, whatever `z` is. A map of `z` by a lower triangular
    matrix with a positive diagonal changes nothing; a rotation does. Half precision is raised, autocast is off.
    Raises `InputError` where there are fewer than twice as many embeddings as numbers (with one more than numbers they
    become a regular simplex whatever they were) and where the covariance is singular to rounding.

    >>> z = torch.tensor([[1.0], [2.0], [3.0]])
    >>> whitened(z).flatten().tolist()
    [-1.0, 0.0, 1.0]
    """
    batch, dim = z.shape[-2:]
    if batch < 2 * dim:
        raise InputError(
            f"cannot whiten a sub-batch of {batch} embeddings of {dim} numbers; expected at least twice as many "
            f"embeddings as numbers, {2 * dim}. Raise the batch (training.batch_size; method.sub_batch for w_mse), or "
            "lower method.projector.out."
        )
    with torch.autocast(z.device.type, enabled=False):
        centred = at_least_single(z)
        centred = centred - centred.mean(-2, keepdim=True)
        factor, info = torch.linalg.cholesky_ex(centred.mT @ centred / (batch - 1))
        singular = _singular(factor, info)
        if not z.is_cpu:  # to ask would wait for the device: the loss becomes nan, which the loop reports
            factor = factor.masked_fill(singular[..., None, None], torch.nan)
        elif bool(singular.any()) and bool(centred.isfinite().all()):
            raise InputError(
                f"the covariance of a sub-batch of {batch} embeddings of {dim} numbers is singular: some directions "
                "hold nothing, so it cannot be whitened. Lower method.projector.out or the learning rate, or raise "
                "method.sub_batch; where it comes late in training, fewer numbers are what helped its author."
            )
        return torch.linalg.solve_triangular(factor, centred.mT, upper=False).mT


@torch.no_grad()
def _singular(factor: Float[Tensor, "*stack dim dim"], info: Tensor) -> Tensor:
    """Whether the factorisation failed, or its smallest pivot is rounding of the largest."""
    pivots = factor.diagonal(dim1=-2, dim2=-1).square()
    rounding = factor.shape[-1] * torch.finfo(factor.dtype).eps
    return (info > 0) | (pivots.amin(-1) <= rounding * pivots.amax(-1))
