"""SimSiam: a predictor and a stopped gradient."""

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.losses.cosine import negative_cosine
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import JointEmbedding, build_predictor, over_views
from contrascope.methods.predict.simsiam_settings import SimSiamSettings
from contrascope.methods.step_signals import unit_std


class SimSiam(JointEmbedding):
    """SimSiam: p of each view is drawn to z of the others, through which no gradient flows.

    The paper keeps the predictor's learning rate constant; that is the optimiser's part and not done here.
    """

    loss_name = "negative_cosine"
    of_the_whole = ("predictor",)

    def __init__(self, encoder: nn.Module, settings: SimSiamSettings) -> None:
        super().__init__(encoder, settings)
        self.predictor = build_predictor(settings.predictor, self.projector.dim)

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        p = over_views(self.predictor, z, joint=self.joint_pass)
        self.note(target_std=unit_std(z[0]))
        return negative_cosine(p, z.detach(), positives=self.positives)
