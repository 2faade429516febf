"""W-MSE: distances of whitened embeddings."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.draws import DrawKey, permutation
from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.cosine import unit_distance
from contrascope.losses.terms import LossTerms
from contrascope.losses.whitening import whitened
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.host_value import HostValue
from contrascope.methods.joint.w_mse_settings import WMSESettings
from contrascope.methods.step_signals import log_condition


class WMSE(JointEmbedding):
    """W-MSE: each view is whitened in sub-batches of images, the same ones for all views.

    The covariance of whitened views is the identity: that is what spreads images apart, as a constraint, so the
    loss's spread is zero. The sub-batches are drawn anew in each step, from the joined batch of all processes.
    """

    loss_name = "unit_distance"
    steps: Tensor

    def __init__(self, encoder: nn.Module, settings: WMSESettings) -> None:
        super().__init__(encoder, settings)
        self.sub_batch, self.seed = settings.sub_batch, settings.seed
        if self.sub_batch < 2 * self.projector.dim:
            raise InputError(
                f"sub_batch is {self.sub_batch}, but the projector puts out {self.projector.dim} numbers: whitening "
                f"needs at least twice as many images. Raise method.sub_batch to {2 * self.projector.dim}, or lower "
                f"method.projector.out to {self.sub_batch // 2}."
            )
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.same_everywhere("steps")
        self._step = HostValue()

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        self.note(log_condition=log_condition(z[0]))
        return unit_distance(self.whitened(at_least_single(gather_batch(z))), positives=self.positives)

    def whitened(self, z: Float[Tensor, "views batch out"]) -> Float[Tensor, "views batch out"]:
        """Each view of the joined batch, whitened in sub-batches of `sub_batch` images or a few more."""
        batch = z.shape[1]
        parts = batch // self.sub_batch
        if parts < 2:
            return whitened(z)
        ids = torch.arange(batch, device=z.device)
        order = permutation(DrawKey(seed=self.seed, epoch=int(self._step.get(self.steps)), ids=ids))
        white = torch.cat([whitened(z[:, some]) for some in order.tensor_split(parts)], dim=1)
        return white[:, order.argsort()]

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self._step.set(self.steps, self._step.get(self.steps) + 1)

    def couples(self) -> str:
        return "whitening compares the images of a sub-batch with each other"
