"""SimSiam: a predictor and a stopped gradient."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.encoders.projector import ProjectorSettings
from contrascope.losses.cosine import negative_cosine
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method, MethodSettings, build_predictor, over_views
from contrascope.types import Views

_PROJECTOR = ProjectorSettings(hidden=(2048,), out=2048, batch_norm=True, batch_norm_out=True)
_PREDICTOR = ProjectorSettings(hidden=(512,), out=2048, batch_norm=True)


@dataclass(frozen=True, kw_only=True)
class SimSiamSettings(MethodSettings):
    """SimSiam (Chen and He 2021, arXiv:2011.10566); defaults of the CIFAR code of Huang et al. 2023."""

    projector: ProjectorSettings = _PROJECTOR
    """Two layers of 2048, batch norm on both (the paper on ImageNet: three)."""
    predictor: ProjectorSettings = _PREDICTOR
    """Bottleneck of 512 with batch norm; its output must be as wide as the projector's."""


class SimSiam(Method):
    """SimSiam: p of each view is drawn to z of the others, through which no gradient flows.

    The paper keeps the predictor's learning rate constant; that is the optimiser's part and not done here.
    """

    loss_name = "negative_cosine"

    def __init__(self, encoder: nn.Module, settings: SimSiamSettings) -> None:
        super().__init__(encoder, settings)
        self.predictor = build_predictor(settings.predictor, self.projector.dim)

    def terms(self, views: Views, z: Float[Tensor, "views batch dim"]) -> LossTerms:
        p = over_views(self.predictor, z, joint=self.joint_pass)
        return negative_cosine(p, z.detach(), positives=self.positives)
