"""Barlow Twins: one network, the cross-correlation of views."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.losses.barlow_twins import barlow_twins
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.joint.barlow_twins_settings import BarlowTwinsSettings


class BarlowTwins(JointEmbedding):
    """Barlow Twins; no predictor (the code of Huang et al. computes one and does not use it)."""

    loss_name = "barlow_twins"

    def __init__(self, encoder: nn.Module, settings: BarlowTwinsSettings) -> None:
        super().__init__(encoder, settings)
        self.redundancy = settings.redundancy
        self.std: Literal["biased", "unbiased"] = settings.std

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        return barlow_twins(
            gather_batch(z), std=self.std, redundancy=self.redundancy, positives=self.positives
        )
