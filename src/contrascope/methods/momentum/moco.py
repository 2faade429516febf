"""MoCo: keys of a slowly moving copy, negatives from a queue."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.distributed import gather_rows, rank
from contrascope.draws import DrawKey, permutation
from contrascope.losses.contrastive import info_nce_queue
from contrascope.losses.pairs import queued_views
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import over_views
from contrascope.methods.host_value import HostValue
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.queue import QueuedEmbedding
from contrascope.methods.target import check_decay, follow, target_copy
from contrascope.methods.views import ViewBatch


class MoCo(QueuedEmbedding):
    """MoCo, averaged over all ordered pairs of views as in Huang et al.'s code (the paper: one direction).

    Both directions meet the queue as it was before the step; the code lets the second one see the first
    one's keys. After the step the keys of all views are enqueued, view after view, in the order of the joined
    batch; with positives "worst" (ArCL) one key an image, of view 2, as queries of view 1 meet the queue. It
    starts with random unit vectors.
    """

    loss_name = "info_nce_queue"
    steps: Tensor

    def __init__(self, encoder: nn.Module, settings: MoCoSettings) -> None:
        super().__init__(encoder, settings)
        check_decay(settings.ema_decay)
        self.settings = settings
        self.target_encoder = target_copy(self.encoder)
        self.target_projector = target_copy(self.projector)
        self.start_queue(settings.queue_size, seed=settings.seed)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.same_everywhere("steps")
        self._step = HostValue()

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        keys = z.detach() if target is None else target
        self.enqueue_later(queued_views(keys, self.positives))
        return self.compared(z, keys, self.queue.clone())  # the backward pass must not meet a later enqueue

    def compared(
        self,
        z: Float[Tensor, "views batch out"],
        keys: Float[Tensor, "views batch out"],
        queue: Float[Tensor, "size out"],
    ) -> LossTerms:
        """The loss of queries, keys and queue."""
        return info_nce_queue(
            z, keys, queue=queue, temperature=self.settings.temperature, positives=self.positives
        )

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        follow(self.target_encoder, self.encoder, ema_decay=self.settings.ema_decay)
        follow(self.target_projector, self.projector, ema_decay=self.settings.ema_decay)
        self._step.set(self.steps, self._step.get(self.steps) + 1)

    @torch.no_grad()
    def targets(self, views: ViewBatch) -> Float[Tensor, "views batch out"]:
        """Keys; with splits, batch norm sees the images of all processes in shuffled order."""
        seen = self.seen(views)
        if not (self.training and self.splits):
            h = over_views(self.target_encoder, seen, joint=self.joint_pass)
            return over_views(self.target_projector, h, joint=self.joint_pass)
        keys = []
        for index, view in enumerate(seen):
            images = gather_rows(view)
            order = self._order(len(images), view=index, device=view.device)
            mine = order[rank() * len(view) : (rank() + 1) * len(view)]
            shuffled = gather_rows(self.target_projector(self.target_encoder(images[mine])))
            joined = torch.empty_like(shuffled).index_copy_(0, order, shuffled)
            keys.append(joined[rank() * len(view) : (rank() + 1) * len(view)])
        return torch.stack(keys)

    def parts_problem(self) -> str | None:
        if self.splits:
            return "splits shuffle the keys of the whole batch before batch norm sees them; set splits to 0"
        return None

    def _order(self, count: int, *, view: int, device: torch.device | None = None) -> Int[Tensor, " count"]:
        ids = torch.arange(count, device=device)
        step = int(self._step.get(self.steps))
        return permutation(DrawKey(seed=self.settings.seed, epoch=step, ids=ids, view=view))
