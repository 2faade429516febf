"""SimCLR: one network, NT-Xent."""

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.losses.contrastive import nt_xent
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.joint.simclr_settings import SimCLRSettings


class SimCLR(JointEmbedding):
    """SimCLR; unlike the paper, the projector has no batch norm by default (as in Huang et al.'s code)."""

    loss_name = "nt_xent"

    def __init__(self, encoder: nn.Module, settings: SimCLRSettings) -> None:
        super().__init__(encoder, settings)
        self.temperature = settings.temperature

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return nt_xent(gather_batch(z), temperature=self.temperature, positives=self.positives)
