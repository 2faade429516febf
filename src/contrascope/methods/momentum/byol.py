"""BYOL: a predictor and a slowly moving target network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.losses.cosine import byol
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import JointEmbedding, build_predictor, over_views
from contrascope.methods.momentum.byol_settings import BYOLSettings
from contrascope.methods.step_signals import unit_std
from contrascope.methods.target import check_decay, cosine_to_one, follow, target_copy
from contrascope.methods.views import ViewBatch


class BYOL(JointEmbedding):
    """BYOL: p of each online view is drawn to the target network's z of the other views.

    The target's batch norm standardises with the batch in training, and keeps running statistics of its own.
    """

    loss_name = "byol"
    of_the_whole = ("predictor",)

    def __init__(self, encoder: nn.Module, settings: BYOLSettings) -> None:
        super().__init__(encoder, settings)
        check_decay(settings.ema_decay)
        self.ema_decay = settings.ema_decay
        self.predictor = build_predictor(settings.predictor, self.projector.dim)
        self.target_encoder = target_copy(self.encoder)
        self.target_projector = target_copy(self.projector)

    @torch.no_grad()
    def targets(self, views: ViewBatch) -> Float[Tensor, "views batch out"]:
        h = over_views(self.target_encoder, self.seen(views), joint=self.joint_pass)
        return over_views(self.target_projector, h, joint=self.joint_pass)

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        p = over_views(self.predictor, z, joint=self.joint_pass)
        self.note(target_std=unit_std(z[0] if target is None else target[0]))
        return byol(p, target, positives=self.positives)

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        ema_decay = self.decay_at(progress)
        follow(self.target_encoder, self.encoder, ema_decay=ema_decay)
        follow(self.target_projector, self.projector, ema_decay=ema_decay)

    def decay_at(self, progress: float) -> float:
        """Share of itself that the target keeps in a step; it rises to 1 along a cosine."""
        return cosine_to_one(self.ema_decay, progress)
