"""DINO: a student predicts the centred and sharpened codes of a slowly moving teacher."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.distributed import all_reduce_mean
from contrascope.losses.assigned import assigned
from contrascope.losses.similarity import unit
from contrascope.methods.base import StepOutput
from contrascope.methods.crops import MultiCropMethod, held, prototype_scores
from contrascope.methods.embedding import over_views
from contrascope.methods.momentum.dino_settings import DINOSettings
from contrascope.methods.step_signals import code_signals
from contrascope.methods.target import check_decay, cosine_to_one, follow, target_copy
from contrascope.methods.views import ViewBatch


class DINO(MultiCropMethod):
    """DINO: each crop's softmax over prototypes is held against the teacher's codes of the other global crops.

    Two things keep the teacher from saying the same of all images: the running mean of its scores, the centre,
    is subtracted (alone it makes codes even), and a low temperature sharpens them (alone it makes them all one
    prototype). Both act inside the codes, through which no gradient flows: they are in neither half of the loss.
    Positives are every code with every other crop: they have no worst pair, since a local crop is harder by its size.

    Images meet only in the centre, which a step uses as the steps before have left it: accumulation is exact without
    batch norm, and teacher and centre move once a step. The teacher is in training mode and keeps batch norm
    statistics of its own; only its parameters follow the student. The terms are of this process's images.
    """

    centre: Tensor

    def __init__(self, encoder: nn.Module, settings: DINOSettings) -> None:
        super().__init__(encoder, settings)
        settings.check()
        check_decay(settings.ema_decay)
        self.dino = settings
        for layer in self.projector.modules():
            if isinstance(
                layer, nn.Linear
            ):  # as the authors: no bias may stand above what differs between images
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.prototypes = nn.Linear(self.projector.dim, settings.prototypes, bias=False)
        self.target_encoder = target_copy(self.encoder)
        self.target_projector = target_copy(self.projector)
        self.target_prototypes = target_copy(self.prototypes)
        self.register_buffer("centre", torch.zeros(settings.prototypes, dtype=torch.float32))
        self.same_everywhere("centre")
        self._waiting: list[Tensor] = []

    def step(self, views: ViewBatch) -> StepOutput:
        found = self.embed(views)
        frozen = self.before(self.dino.freeze)
        weight = unit(held(self.prototypes.weight, frozen))
        scores, codes = prototype_scores(found.z, weight), self.codes(views.groups[0])
        terms = assigned(scores, codes, temperature=self.dino.temperature)
        self.note(**code_signals(scores, codes, temperature=self.dino.temperature))
        return StepOutput(terms=terms, h=found.h.detach(), z=found.z[: len(found.h)].detach())

    @torch.no_grad()
    def codes(self, crops: Float[Tensor, "views batch *shape"]) -> Float[Tensor, "views batch prototypes"]:
        """The teacher's codes of global crops; in training their scores wait for the next centre."""
        h = over_views(self.target_encoder, crops, joint=True)
        z = over_views(self.target_projector, h, joint=True)
        scores = prototype_scores(z, unit(self.target_prototypes.weight))
        if self.training:
            self._waiting.append(scores.mean((0, 1)))
        return ((scores - self.centre) / self.teacher_temperature()).softmax(-1)

    def teacher_temperature(self) -> float:
        """The temperature that the teacher has now."""
        start, end = self.dino.warmup_teacher_temperature, self.dino.teacher_temperature
        done = self._progress.get(self.progress)
        if done >= self.dino.temperature_warmup:
            return end
        return start + (end - start) * done / self.dino.temperature_warmup

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        ema_decay = cosine_to_one(self.dino.ema_decay, progress)
        follow(self.target_encoder, self.encoder, ema_decay=ema_decay)
        follow(self.target_projector, self.projector, ema_decay=ema_decay)
        follow(self.target_prototypes, self.prototypes, ema_decay=ema_decay)
        if self._waiting:  # equal parts of a batch: their mean is that of the whole
            mean = all_reduce_mean(torch.stack(self._waiting).mean(0))
            self.centre.lerp_(mean.to(self.centre), 1 - self.dino.centre_decay)
            self._waiting.clear()
