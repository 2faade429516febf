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
from contrascope.methods.base import Method, over_views
from contrascope.methods.momentum.moco_settings import MoCoSettings
from contrascope.methods.split_norm import join_running_statistics, split_batch_norm
from contrascope.methods.target import check_decay, follow, target_copy
from contrascope.types import Views


class MoCo(Method):
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
        if settings.queue_size < 1 or settings.splits < 0:
            raise InputError(
                f"queue_size must be at least 1 and splits at least 0; got {settings.queue_size} and "
                f"{settings.splits}."
            )
        if settings.splits and settings.joint_pass:
            raise InputError("splits are parts of one view's batch; set joint_pass=False, or splits=0.")
        self.settings = settings
        if settings.splits:
            split_batch_norm(self.encoder, splits=settings.splits)
            split_batch_norm(self.projector, splits=settings.splits)
        self.target_encoder = target_copy(self.encoder)
        self.target_projector = target_copy(self.projector)
        ids = torch.arange(settings.queue_size)
        start = normal(DrawKey(seed=settings.seed, epoch=0, ids=ids, operation=1), self.projector.dim)
        self.register_buffer("queue", unit(start))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._waiting: list[Tensor] = []

    def terms(self, views: Views, z: Float[Tensor, "views batch dim"]) -> LossTerms:
        keys = self._keys(views)
        if self.training:
            self._waiting.append(queued_views(keys, self.positives))
        batch = views.shape[1]
        own = keys[:, rank() * batch : (rank() + 1) * batch]
        return info_nce_queue(
            z,
            own,
            queue=self.queue.clone(),  # the backward pass must not meet a later enqueue
            temperature=self.settings.temperature,
            positives=self.positives,
        )

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        follow(self.target_encoder, self.encoder, ema_decay=self.settings.ema_decay)
        follow(self.target_projector, self.projector, ema_decay=self.settings.ema_decay)
        join_running_statistics(self)
        for keys in self._waiting:
            self._enqueue(unit(keys.to(self.queue.dtype)).flatten(0, 1))
        self._waiting.clear()
        self.steps += 1

    def _enqueue(self, keys: Float[Tensor, "n dim"]) -> None:
        size = len(self.queue)
        places = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        self.queue[places[-size:]] = keys[-size:]
        self.pointer.copy_((self.pointer + len(keys)) % size)

    @torch.no_grad()
    def _keys(self, views: Views) -> Float[Tensor, "views joined dim"]:
        """Keys of all processes' images; with splits, batch norm sees them in shuffled order."""
        if not (self.training and self.settings.splits):
            h = over_views(self.target_encoder, views, joint=self.joint_pass)
            z = over_views(self.target_projector, h, joint=self.joint_pass)
            return gather_rows(z.transpose(0, 1)).transpose(0, 1)
        keys = []
        for index, view in enumerate(views):
            images = gather_rows(view)
            order = self._order(len(images), view=index).to(view.device)
            mine = order[rank() * len(view) : (rank() + 1) * len(view)]
            shuffled = gather_rows(self.target_projector(self.target_encoder(images[mine])))
            keys.append(torch.empty_like(shuffled).index_copy_(0, order, shuffled))
        return torch.stack(keys)

    def _order(self, count: int, *, view: int) -> Int[Tensor, " count"]:
        ids = torch.arange(count)
        key = DrawKey(seed=self.settings.seed, epoch=int(self.steps), ids=ids, view=view)
        return words(key, 1)[:, 0].argsort(stable=True)
