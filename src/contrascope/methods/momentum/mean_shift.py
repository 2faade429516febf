"""MeanShift: BYOL with the neighbours of the target."""

from jaxtyping import Float
from torch import Tensor, nn

from contrascope.errors import InputError
from contrascope.losses.mean_shift import mean_shift
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import over_views
from contrascope.methods.momentum.byol import BYOL
from contrascope.methods.momentum.mean_shift_settings import MeanShiftSettings
from contrascope.methods.queue import QueuedEmbedding
from contrascope.methods.step_signals import unit_std


class MeanShift(BYOL, QueuedEmbedding):
    """p of each online view is drawn to the target's z of another view and to its nearest in the queue.

    The authors draw strong views to neighbours of weak ones; here all views are of the run's policy, and every ordered
    pair counts. The queue holds the target's z of view 1 of earlier steps. The authors search a queue that this batch
    has entered already; here only the image's own target joins the old ones, so no step depends on other images of
    its batch. The target's decay stays the same all along.
    """

    loss_name = "mean_shift"

    def __init__(self, encoder: nn.Module, settings: MeanShiftSettings) -> None:
        super().__init__(encoder, settings)
        self.start_queue(settings.queue_size, seed=settings.seed)
        self.neighbours = settings.neighbours
        if not 1 <= self.neighbours <= settings.queue_size:
            raise InputError(
                f"neighbours must lie between 1 and queue_size, {settings.queue_size}; got {self.neighbours}."
            )

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        keys = z.detach() if target is None else target
        p = over_views(self.predictor, z, joint=self.joint_pass)
        self.note(target_std=unit_std(keys[0]))
        self.enqueue_later(keys[:1])
        return mean_shift(p, keys, queue=self.queue, neighbours=self.neighbours, positives=self.positives)

    def decay_at(self, progress: float) -> float:
        return self.ema_decay
