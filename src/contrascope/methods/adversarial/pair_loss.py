"""Losses of the two sides, from scores of real pairs (x, E(x)) and of generated pairs (G(z), z)."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from contrascope.losses.terms import LossTerms

Shape = Literal["logistic", "hinge"]
"""What is done to a score."""


def discriminator_loss(
    real: Float[Tensor, "batch scores"], generated: Float[Tensor, "other scores"], *, shape: Shape
) -> LossTerms:
    """What the discriminator lowers: high scores for real pairs, low ones for generated pairs; at least 0.

    Logistic: softplus(-s) and softplus(s) (Donahue et al. 2017, arXiv:1605.09782, eq. 2; Dumoulin et al. 2017,
    arXiv:1606.00704); hinge: max(0, 1 - s) and max(0, 1 + s) (Donahue and Simonyan 2019, arXiv:1907.02544). Several
    scores of a pair are added up. `align` holds the terms of the real pairs, `spread` the mean of the generated ones.

    >>> import torch
    >>> discriminator_loss(torch.zeros(2, 3), torch.zeros(2, 3), shape="hinge").total.item()
    6.0
    """
    if shape == "hinge":
        return _terms(F.relu(1 - real), F.relu(1 + generated))
    return _terms(F.softplus(-real), F.softplus(generated))


def encoder_loss(
    real: Float[Tensor, "batch scores"], generated: Float[Tensor, "other scores"], *, shape: Shape
) -> LossTerms:
    """What encoder and generator lower: the same with all signs turned, so that no score saturates.

    Logistic: softplus(s) and softplus(-s), which is not minus the discriminator's loss; hinge: s and -s, of any sign.

    >>> import torch
    >>> encoder_loss(torch.tensor([[3.0]]), torch.tensor([[1.0]]), shape="hinge").total.item()
    2.0
    """
    if shape == "hinge":
        return _terms(real, -generated)
    return _terms(F.softplus(real), F.softplus(-generated))


def _terms(real: Float[Tensor, "batch scores"], generated: Float[Tensor, "other scores"]) -> LossTerms:
    return LossTerms(align=real.sum(dim=1), spread=generated.sum(dim=1).mean())
