"""Embeddings of earlier steps, in a queue of fixed size."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.draws import DrawKey, normal
from contrascope.errors import InputError
from contrascope.losses.similarity import unit
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.enqueue import enqueue, joined_rows


class QueuedEmbedding(JointEmbedding):
    """A joint embedding with a queue of what it embedded in earlier steps.

    A step sees the queue as it was before it. Afterwards its rows enter, view after view, each in the order of the
    joined batch of all processes; the oldest go. It starts with random vectors.
    """

    queue: Tensor
    pointer: Tensor

    def start_queue(self, size: int, *, seed: int) -> None:
        """Registers a queue of `size` random vectors as wide as the projector's output."""
        if size < 1:
            raise InputError(f"queue_size must be at least 1; got {size}.")
        start = normal(DrawKey(seed=seed, epoch=0, ids=torch.arange(size), operation=1), self.projector.dim)
        self.register_buffer("queue", self.kept(start))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))
        self.same_everywhere("queue", "pointer")
        self._waiting: list[Tensor] = []

    def kept(self, rows: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """What the queue keeps of embeddings: unit vectors."""
        return unit(rows)

    def enqueue_later(self, rows: Float[Tensor, "views n dim"]) -> None:
        """In training, these enter the queue after the step."""
        if self.training:
            self._waiting.append(rows.detach())

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        if not self._waiting:
            return
        # parts of a batch enter as the whole batch does: the queue may cut or wrap anywhere
        joined = joined_rows(torch.cat(self._waiting, dim=1))
        enqueue(self.queue, self.pointer, self.kept(joined.to(self.queue.dtype)))
        self._waiting.clear()
