"""VICReg: one network, invariance, variance and covariance."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.encoders.projector import ProjectorSettings
from contrascope.losses.terms import LossTerms
from contrascope.losses.vicreg import vicreg
from contrascope.methods.base import Method, MethodSettings
from contrascope.types import Views

_PROJECTOR = ProjectorSettings(hidden=(2048, 2048), out=2048, batch_norm=True)


@dataclass(frozen=True, kw_only=True)
class VICRegSettings(MethodSettings):
    """VICReg (Bardes et al. 2022, arXiv:2105.04906)."""

    invariance: float = 25.0
    """Weight of the mean squared distance of views."""
    variance: float = 25.0
    """Weight of the hinge that keeps every standard deviation above 1."""
    covariance: float = 1.0
    """Weight of the squared off-diagonal covariances."""
    projector: ProjectorSettings = _PROJECTOR
    """Three layers of 2048, a width for CIFAR (the paper: 8192), batch norm on the hidden ones."""


class VICReg(Method):
    """VICReg with the loss of the authors' code, which differs in constants from the paper's equations.

    With more than two views the three terms are averaged over pairs and views.
    """

    loss_name = "vicreg"

    def __init__(self, encoder: nn.Module, settings: VICRegSettings) -> None:
        super().__init__(encoder, settings)
        self.settings = settings

    def terms(self, views: Views, z: Float[Tensor, "views batch dim"]) -> LossTerms:
        return vicreg(
            gather_batch(z),
            invariance=self.settings.invariance,
            variance=self.settings.variance,
            covariance=self.settings.covariance,
            positives=self.positives,
        )
