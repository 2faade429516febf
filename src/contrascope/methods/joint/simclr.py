"""SimCLR: one network, NT-Xent."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.encoders.projector import ProjectorSettings
from contrascope.losses.contrastive import nt_xent
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, MethodSettings
from contrascope.types import Views

_PROJECTOR = ProjectorSettings(hidden=(512,), out=128)


@dataclass(frozen=True, kw_only=True)
class SimCLRSettings(MethodSettings):
    """SimCLR (Chen et al. 2020, arXiv:2002.05709); defaults of Huang et al. 2023's CIFAR code."""

    temperature: float = 0.5
    """Divides the cosines; 0.5 in Huang et al.'s code, 0.1 to 0.5 elsewhere."""
    projector: ProjectorSettings = _PROJECTOR
    """Linear 512, ReLU, linear 128, no batch norm."""


class SimCLR(Method):
    """SimCLR; unlike the paper, the projector has no batch norm by default (as in Huang et al.'s code)."""

    loss_name = "nt_xent"

    def __init__(self, encoder: nn.Module, settings: SimCLRSettings) -> None:
        super().__init__(encoder, settings)
        self.temperature = settings.temperature

    def terms(self, views: Views, z: Float[Tensor, "views batch dim"]) -> LossTerms:
        return nt_xent(gather_batch(z), temperature=self.temperature, positives=self.positives)
