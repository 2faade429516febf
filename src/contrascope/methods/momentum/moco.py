"""MoCo: keys of a slowly moving copy, negatives from a queue."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contrascope.distributed import gather_rows, rank
from contrascope.draws import DrawKey, normal, words
from contrascope.errors import InputError
from contrascope.losses.contrastive import info_nce_queue
from contrascope.losses.pairs import queued_views
from contrascope.losses.similarity import unit
from contrascope.losses.terms import LossTerms
from contrascope.methods.embedding import JointEmbedding, over_views
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.target import check_decay, follow, target_copy
from contrascope.methods.views import ViewBatch


class MoCo(JointEmbedding):
    """MoCo, averaged over all ordered pairs of views as in Huang et al.'s code (the paper: one direction).

    Both directions meet the queue as it was before the step; the code lets the second one see the first
    one's keys. After the step the keys of all views are enqueued, view after view, in the order of the joined
    batch; with positives "worst" (ArCL) one key an image, of view 2, as queries of view 1 meet the queue. It
    starts with random unit vectors.
    """

    loss_name = "info_nce_queue"
    queue: Tensor
    pointer: Tensor
    steps: Tensor

    def __init__(self, encoder: nn.Module, settings: MoCoSettings) -> None:
        super().__init__(encoder, settings)
        check_decay(settings.ema_decay)
        if settings.queue_size < 1:
            raise InputError(f"queue_size must be at least 1; got {settings.queue_size}.")
        self.settings = settings
        self.target_encoder = target_copy(self.encoder)
        self.target_projector = target_copy(self.projector)
        ids = torch.arange(settings.queue_size)
        start = normal(DrawKey(seed=settings.seed, epoch=0, ids=ids, operation=1), self.projector.dim)
        self.register_buffer("queue", unit(start))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._waiting: list[Tensor] = []

    def terms(
        self, z: Float[Tensor, "views batch out"], target: Float[Tensor, "views batch out"] | None
    ) -> LossTerms:
        keys = z.detach() if target is None else target
        if self.training:
            self._waiting.append(queued_views(keys, self.positives))
        return info_nce_queue(
            z,
            keys,
            queue=self.queue.clone(),  # the backward pass must not meet a later enqueue
            temperature=self.settings.temperature,
            positives=self.positives,
        )

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        follow(self.target_encoder, self.encoder, ema_decay=self.settings.ema_decay)
        follow(self.target_projector, self.projector, ema_decay=self.settings.ema_decay)
        if (
            self._waiting
        ):  # parts of a batch enter as the whole batch does: the queue may cut or wrap anywhere
            mine = torch.cat(self._waiting, dim=1)
            keys = gather_rows(mine.transpose(0, 1)).transpose(0, 1)
            self._enqueue(unit(keys.to(self.queue.dtype)).flatten(0, 1))
            self._waiting.clear()
        self.steps += 1

    def _enqueue(self, keys: Float[Tensor, "n dim"]) -> None:
        size = len(self.queue)
        places = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        self.queue[places[-size:]] = keys[-size:]
        self.pointer.copy_((self.pointer + len(keys)) % size)

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
            order = self._order(len(images), view=index).to(view.device)
            mine = order[rank() * len(view) : (rank() + 1) * len(view)]
            shuffled = gather_rows(self.target_projector(self.target_encoder(images[mine])))
            joined = torch.empty_like(shuffled).index_copy_(0, order, shuffled)
            keys.append(joined[rank() * len(view) : (rank() + 1) * len(view)])
        return torch.stack(keys)

    def parts_problem(self) -> str | None:
        if self.splits:
            return "moco shuffles the keys of the whole batch before batch norm sees them; set splits to 0"
        return None

    def _order(self, count: int, *, view: int) -> Int[Tensor, " count"]:
        ids = torch.arange(count)
        key = DrawKey(seed=self.settings.seed, epoch=int(self.steps), ids=ids, view=view)
        return words(key, 1)[:, 0].argsort(stable=True)
