"""t-SimCLR: one network, Student's kernel over all pairs of embeddings."""

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.linalg import at_least_single
from contrascope.losses.t_simclr import t_simclr
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.joint.t_simclr_settings import TSimCLRSettings


class TSimCLR(JointEmbedding):
    """t-SimCLR: plain distances of embeddings, one denominator for the whole batch."""

    loss_name = "t_simclr"

    def __init__(self, encoder: nn.Module, settings: TSimCLRSettings) -> None:
        super().__init__(encoder, settings)
        self.temperature, self.degrees = settings.temperature, settings.degrees

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        self.note(length=at_least_single(z.detach()).norm(dim=-1).mean())
        return t_simclr(
            gather_batch(z), temperature=self.temperature, degrees=self.degrees, positives=self.positives
        )
