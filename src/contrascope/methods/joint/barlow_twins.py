"""Barlow Twins: one network, the cross-correlation of views."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.encoders.projector import ProjectorSettings
from contrascope.losses.barlow_twins import barlow_twins
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, MethodSettings
from contrascope.types import Views

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=2048, batch_norm=True, batch_norm_out=True)


@dataclass(frozen=True, kw_only=True)
class BarlowTwinsSettings(MethodSettings):
    """Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230); defaults of Huang et al. 2023's CIFAR code."""

    redundancy: float = 5e-3
    """Weight of the off-diagonal terms, lambda of the paper."""
    std: Literal["biased", "unbiased"] = "unbiased"
    """Standardisation: unbiased as in Huang et al.'s code, biased as in the authors' (batch norm)."""
    projector: ProjectorSettings = _PROJECTOR
    """Three layers of 2048, batch norm on each, the output's too (the authors: 8192, none on the output)."""


class BarlowTwins(Method):
    """Barlow Twins; no predictor (the code of Huang et al. computes one and does not use it)."""

    loss_name = "barlow_twins"

    def __init__(self, encoder: nn.Module, settings: BarlowTwinsSettings) -> None:
        super().__init__(encoder, settings)
        self.redundancy = settings.redundancy
        self.std: Literal["biased", "unbiased"] = settings.std

    def terms(self, views: Views, z: Float[Tensor, "views batch dim"]) -> LossTerms:
        return barlow_twins(
            gather_batch(z), std=self.std, redundancy=self.redundancy, positives=self.positives
        )
