"""VICReg: one network, invariance, variance and covariance."""

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.losses.terms import LossTerms
from contrascope.losses.vicreg import vicreg
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.joint.vicreg_settings import VICRegSettings


class VICReg(JointEmbedding):
    """VICReg with the loss of the authors' code, which differs in constants from the paper's equations.

    With more than two views the three terms are averaged over pairs and views.
    """

    loss_name = "vicreg"

    def __init__(self, encoder: nn.Module, settings: VICRegSettings) -> None:
        super().__init__(encoder, settings)
        self.settings = settings

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return vicreg(
            gather_batch(z),
            invariance=self.settings.invariance,
            variance=self.settings.variance,
            covariance=self.settings.covariance,
            positives=self.positives,
        )
