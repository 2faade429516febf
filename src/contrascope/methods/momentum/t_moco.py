"""t-MoCo: MoCo with Student's kernel of plain distances."""

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.losses.t_moco import t_moco
from contrascope.losses.terms import LossTerms
from contrascope.methods.momentum.moco import MoCo
from contrascope.methods.momentum.t_moco_settings import TMoCoSettings


class TMoCo(MoCo):
    """MoCo whose projector's output is standardised over the batch, not scaled to unit length.

    Keys stay as the key network gave them; the queue starts with standard normal vectors. For the rest it is our MoCo:
    averaged over ordered pairs of views, all of whose keys are queued.
    """

    loss_name = "t_moco"

    def __init__(self, encoder: nn.Module, settings: TMoCoSettings) -> None:
        super().__init__(encoder, settings)
        self.degrees = settings.degrees

    def kept(self, rows: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """Embeddings as they are."""
        return rows

    def compared(
        self,
        z: Float[Tensor, "views batch out"],
        keys: Float[Tensor, "views batch out"],
        queue: Float[Tensor, "size out"],
    ) -> LossTerms:
        return t_moco(
            z,
            keys,
            queue=queue,
            temperature=self.settings.temperature,
            degrees=self.degrees,
            positives=self.positives,
        )
