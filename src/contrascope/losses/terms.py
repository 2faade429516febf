"""What every loss returns: its two halves."""

from dataclasses import dataclass, replace

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
    beside: Scalar | None = None
    """A task of another kind that is learnt with it, such as masked words, with its weight; part of neither half."""

    @property
    def total(self) -> Scalar:
        """The number to minimise: the mean alignment plus the spread, and what is learnt beside them."""
        halves = self.align.mean() + self.spread
        return halves if self.beside is None else halves + self.beside

    def at_least(self, least: float) -> "LossTerms":
        """These terms with so much added to the spread that the total is `least` or more; no gradient changes.

        For a loss that is never below that but for the rounding of two halves that cancel.
        """
        short = (least - self.total.detach()).clamp_min(0)
        return replace(self, spread=self.spread + short)
