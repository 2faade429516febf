"""SwAV: views predict each other's codes, which share images out over learnt prototypes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.losses.assigned import assigned
from contrascope.losses.similarity import unit
from contrascope.methods.base import StepOutput
from contrascope.methods.cluster.sinkhorn import sinkhorn
from contrascope.methods.cluster.swav_settings import SwAVSettings
from contrascope.methods.crops import MultiCropMethod, held, prototype_scores
from contrascope.methods.enqueue import enqueue, joined_rows
from contrascope.methods.host_value import HostValue
from contrascope.methods.step_signals import code_signals
from contrascope.methods.views import ViewBatch


class SwAV(MultiCropMethod):
    """SwAV: the softmax of each crop over prototypes is held against the codes of the global crops.

    Prototypes are unit vectors: they are scaled to length 1 after every step, so before every next one. What
    keeps all images from one prototype is Sinkhorn's equal sharing inside the codes, through which no gradient
    flows; it is in neither half of the loss. Positives are every code with every other crop: they have no worst
    pair, since a local crop is harder by its size.

    The queue keeps projector outputs of the global crops, view after view, in the order of the joined batch. It
    begins to fill late, and takes part in the codes, scored with the prototypes of today, only once it is full.
    Deviation: one queue for all global crops, in the code one for each. The terms are of this process's images.
    """

    queue: Tensor
    pointer: Tensor
    filled: Tensor

    def __init__(self, encoder: nn.Module, settings: SwAVSettings) -> None:
        super().__init__(encoder, settings)
        settings.check()
        self.swav = settings
        self.prototypes = nn.Linear(self.projector.dim, settings.prototypes, bias=False)
        self._renormalise()
        self.register_buffer(
            "queue", torch.zeros(settings.queue_size, self.projector.dim, dtype=torch.float32)
        )
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.same_everywhere("queue", "pointer", "filled")
        self._fill = HostValue()
        self._waiting: list[Tensor] = []

    def step(self, views: ViewBatch) -> StepOutput:
        found = self.embed(views)
        frozen = self.before(self.swav.freeze)
        scores = prototype_scores(found.z, held(self.prototypes.weight, frozen))
        makers = len(found.h)
        codes = self.codes(scores[:makers].detach())
        z = found.z[:makers].detach()
        if self.training and self.swav.queue_size:
            self._waiting.append(z)
        self.note(**code_signals(scores, codes, temperature=self.swav.temperature))
        return StepOutput(
            terms=assigned(scores, codes, temperature=self.swav.temperature), h=found.h.detach(), z=z
        )

    @torch.no_grad()
    def codes(
        self, scores: Float[Tensor, "views batch prototypes"]
    ) -> Float[Tensor, "views batch prototypes"]:
        """Codes of these crops, shared out together with the queue once it is full."""
        full = self.swav.queue_size and self._fill.get(self.filled) >= self.swav.queue_size
        queued = prototype_scores(self.queue[None], self.prototypes.weight)[0] if full else None
        return sinkhorn(scores, queued, epsilon=self.swav.epsilon, iterations=self.swav.iterations)

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self._renormalise()
        if self._waiting and progress >= self.swav.queue_from:
            rows = joined_rows(torch.cat(self._waiting, dim=1))
            enqueue(self.queue, self.pointer, rows)
            self._fill.set(self.filled, min(self._fill.get(self.filled) + len(rows), self.swav.queue_size))
        self._waiting.clear()

    def couples(self) -> str:
        return "swav shares the images of a batch out over its prototypes together"

    @torch.no_grad()
    def _renormalise(self) -> None:
        self.prototypes.weight.copy_(unit(self.prototypes.weight))
