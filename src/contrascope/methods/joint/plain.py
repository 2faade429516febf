"""One network and any loss."""

from functools import cached_property

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.imports import is_path
from contrascope.losses.terms import LossTerms
from contrascope.methods.any_loss import AnyLoss, find_loss
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.joint.plain_settings import PlainSettings


class Plain(JointEmbedding):
    """Encoder, projector, and a loss of ours or of the user's; no target network and no predictor.

    A loss of the user's is found when the first step asks for it: networks are built and read back without it.
    """

    def __init__(self, encoder: nn.Module, settings: PlainSettings) -> None:
        super().__init__(encoder, settings)
        self.settings = settings
        if not is_path(settings.loss):
            self.check_before_training()

    @cached_property
    def loss(self) -> AnyLoss:
        """The loss with its settings."""
        return find_loss(self.settings.loss, self.settings.told, positives=self.positives)

    def check_before_training(self) -> None:
        _ = self.loss

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return self.loss(z, positives=self.positives)

    def couples(self) -> str | None:
        if self.loss.gathers:
            return f"the loss {self.loss.name} compares the images of a batch with each other"
        return None
