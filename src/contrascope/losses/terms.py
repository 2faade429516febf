"""What every loss returns: its two halves."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from contrascope.types import Scalar


@dataclass(frozen=True, kw_only=True, slots=True)
class LossTerms:
    """What pulls views together, per image, and what spreads images apart, per batch.

    >>> import torch
    >>> LossTerms(align=torch.tensor([1.0, 3.0]), spread=torch.tensor(0.5)).total.item()
    2.5
    """

    align: Float[Tensor, " batch"]
    """Each image's share of the alignment, already reduced over its pairs of views."""
    spread: Scalar
    """The regularisation: the part that depends on other images; zero where a method has none."""

    @property
    def total(self) -> Scalar:
        """The number to minimise: the mean alignment plus the spread."""
        return self.align.mean() + self.spread

    def at_least(self, least: float) -> "LossTerms":
        """These terms with so much added to the spread that the total is `least` or more; no gradient changes.

        For a loss that is never below that but for the rounding of two halves that cancel.
        """
        short = (least - self.total.detach()).clamp_min(0)
        return LossTerms(align=self.align, spread=self.spread + short)
