"""Typical faults of text encoders, as numbers and as sentences."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.features.embed import evaluating
from contrascope.linalg import unit_rows
from contrascope.text.packed import real

ANISOTROPIC, TRUNCATED, LENGTH = 0.5, 0.05, 0.5
"""Mean cosine of random pairs, share of sentences cut off, and correlation with length, above which a note is made."""
LOOKED_AT = 64
"""Sentences whose row is computed alone."""


@dataclass(frozen=True, kw_only=True)
class TextFaults:
    """Numbers that no verdict rests on, but for the leak."""

    leak: float
    """How far a row moves when its batch mates are taken away, over the distance of rows; 1e-6 is rounding."""
    cosine: float
    """Mean cosine of random pairs, in [-1, 1]: anisotropy."""
    length: float
    """Size of the correlation of the first principal component with the logarithm of the length, in [0, 1]."""
    cut: float
    """Share of the sentences that are longer than the encoder sees."""
    copies: float
    """Share of the sentences that stand more than once."""

    def notes(self) -> list[str]:
        """Sentences on what is out of the usual."""
        found = []
        if self.cosine > ANISOTROPIC:
            found.append(
                f"Random pairs have a mean cosine of {self.cosine:.2f}: vectors lie in a narrow cone."
            )
        if self.length > LENGTH:
            found.append(f"The first principal component follows the length (correlation {self.length:.2f}).")
        if self.cut > TRUNCATED:
            found.append(f"{100 * self.cut:.0f} % of the sentences are cut off: raise data.max_length.")
        if self.copies > 0.01:
            found.append(f"{100 * self.copies:.0f} % of the sentences stand more than once: false negatives.")
        return found


@torch.no_grad()
def padding_leak(encoder: nn.Module, sentences: Int[Tensor, "batch length fields"]) -> float:
    """How far rows move when each sentence is alone and unpadded, over how far rows are from each other; 0 is right."""
    some = sentences[:LOOKED_AT]
    with evaluating(encoder):
        together = encoder(some).float()
        alone = torch.cat([encoder(row[None, : int(real(row[None]).sum())]).float() for row in some])
    spread = (together - together.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    return float((together - alone).norm(dim=1).max() / spread) if spread > 0 else 0.0


def mean_cosine(rows: Float[Tensor, "n dim"]) -> float:
    """Mean cosine over all pairs of different rows.

    >>> mean_cosine(torch.eye(3))
    0.0
    """
    unit = unit_rows(rows.double())
    n = len(unit)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (n * (n - 1)))


def length_bias(rows: Float[Tensor, "n dim"], lengths: Int[Tensor, " n"]) -> float:
    """Size of the correlation of the first principal component with the logarithm of the length."""
    centred = unit_rows(rows.double())
    centred = centred - centred.mean(0)
    first = centred @ torch.linalg.eigh(centred.T @ centred)[1][:, -1]
    both = torch.stack([first, lengths.double().log()])
    found = torch.corrcoef(both)[0, 1]
    return float(found.abs()) if found.isfinite() else 0.0
