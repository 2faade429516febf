"""NNCLR: a predictor of each view finds the nearest earlier embedding of another view."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import gather_batch
from contrascope.losses.nnclr import nnclr
from contrascope.losses.similarity import nearest_places
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import build_predictor, over_views
from contrascope.methods.joint.nnclr_settings import NNCLRSettings
from contrascope.methods.queue import QueuedEmbedding


class NNCLR(QueuedEmbedding):
    """NNCLR: what stands for a view is the nearest of the queue, which holds z of view 1 of earlier steps.

    The queue is searched as it was before the step; only afterwards does view 1 enter, so an image of this batch
    is never its own neighbour, but its embedding of the last epoch may be.
    """

    loss_name = "nnclr"
    of_the_whole = ("predictor",)

    def __init__(self, encoder: nn.Module, settings: NNCLRSettings) -> None:
        super().__init__(encoder, settings)
        self.temperature = settings.temperature
        self.predictor = build_predictor(settings.predictor, self.projector.dim)
        self.start_queue(settings.queue_size, seed=settings.seed)

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        p = over_views(self.predictor, z, joint=self.joint_pass)
        places = nearest_places(z, self.queue, count=1)[..., 0]
        neighbours = self.queue[places]
        chosen = torch.zeros(len(self.queue), dtype=torch.float64, device=z.device)
        chosen[places.flatten()] = 1
        self.note(distinct_neighbours=(chosen.sum() / places.numel()).float())
        self.enqueue_later(z[:1])
        return nnclr(
            gather_batch(p),
            gather_batch(neighbours),
            temperature=self.temperature,
            positives=self.positives,
        )
