"""One step of training: views, the loss of each turn backwards, and the optimiser that moves in it."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from contrascope.distributed import average_gradients, broadcast_module, refuse_unequal
from contrascope.errors import InputError
from contrascope.linalg import at_least_single
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import Method
from contrascope.methods.embedding import JointEmbedding
from contrascope.methods.views import ViewBatch
from contrascope.training.arithmetic import arithmetic
from contrascope.training.chunks import BatchPart, check_chunk, chunked_backward, part_sizes
from contrascope.training.optim import Optimisers
from contrascope.training.settings import OptimSettings, TrainingSettings
from contrascope.training.views import ViewMaker, parts_of


class Stepper:
    """Takes steps with a method of one optimiser or several, on this process's share of a batch.

    The method is wrapped for several processes by accelerate where each step is one pass forwards and back;
    otherwise its gradients are averaged after the last of them.
    """

    def __init__(
        self,
        method: Method,
        view_maker: ViewMaker,
        *,
        training: TrainingSettings,
        optim: OptimSettings,
        accelerator: Accelerator,
    ) -> None:
        self.method, self.view_maker = method, view_maker
        self.training, self.accelerator = training, accelerator
        self.turns = method.turns
        self.optimisers = Optimisers(optim, method)
        ranks = accelerator.num_processes
        self.chunk = chunk_of(training, world_size=ranks)
        self.wrapped = len(self.turns) == 1 and not self.chunk
        check_parts(method, training, world_size=ranks)
        self.network: torch.nn.Module = method

    def wrap(self) -> None:
        """Readies the networks for several processes; to be called once the weights are those to start from."""
        if self.wrapped:
            self.network = self.accelerator.prepare_model(self.method)
        else:
            broadcast_module(self.method)

    def __call__(self, ids: Tensor, items: Any, *, epoch: int, rate: float) -> Float[Tensor, "turns halves"]:
        """Moves every optimiser in its turn; returns alignment and spread of each turn."""
        self.optimisers.set_rate(rate)
        each = self.chunk or len(ids) // self.training.accumulate
        cut = parts_of((ids, items), len(ids), each)
        parts = [
            BatchPart(images=len(some), views=self._maker(some, them, epoch=epoch)) for some, them in cut
        ]
        return torch.stack([self._take_turn(turn, parts, place) for place, turn in enumerate(self.turns)])

    def _maker(self, ids: Tensor, items: Any, *, epoch: int) -> Callable[[], ViewBatch]:
        """Makes the views of these items, once where the whole batch is one part."""
        kept: list[ViewBatch] = []

        def make() -> ViewBatch:
            if kept:
                return kept[0]
            with torch.no_grad():
                made = self.view_maker(items, ids=ids, epoch=epoch)
            if self.training.accumulate == 1 and not self.chunk and len(self.turns) > 1:
                kept.append(made)
            return made

        return make

    def _take_turn(self, turn: str, parts: list[BatchPart], place: int) -> Float[Tensor, " halves"]:
        if isinstance(self.method, JointEmbedding) and self.chunk:
            halves = [self._backward_in_parts(self.method, parts)]
        else:
            halves = [
                self._backward(replace(part.views(), turn=turn, place=place), last=number + 1 == len(parts))
                for number, part in enumerate(parts)
            ]
        if not self.wrapped:
            average_gradients(self.optimisers.parameters(turn))
        self.optimisers.step(turn, clip_norm=self.training.clip_norm)
        self.method.zero_grad(set_to_none=True)
        return torch.stack(halves).mean(dim=0)

    def _backward(self, views: ViewBatch, *, last: bool) -> Float[Tensor, " halves"]:
        with arithmetic(self.training, self.accelerator.device):
            terms: LossTerms = self.network(views).terms
        later = not last and self.wrapped
        with self.accelerator.no_sync(self.network) if later else contextlib.nullcontext():
            self.accelerator.backward(terms.total / self.training.accumulate)
        return halves_of(terms)

    def _backward_in_parts(self, method: JointEmbedding, parts: list[BatchPart]) -> Float[Tensor, " halves"]:
        device = self.accelerator.device
        refuse_unequal(sum(part.images for part in parts), device)
        compared = type(method).targets is not JointEmbedding.targets
        done = chunked_backward(
            method.embed,
            method.terms,
            parts,
            network=method.in_parts(),
            targets=cast(Callable[[Any], Tensor], method.targets) if compared else None,
            arithmetic=lambda: arithmetic(self.training, device),
        )
        return halves_of(done.terms)


def chunk_of(training: TrainingSettings, *, world_size: int) -> int:
    """Images of a part of a process's share of the batch; 0: the share is one part."""
    return training.chunk if training.chunk < training.batch_size // world_size else 0


def check_parts(method: Method, training: TrainingSettings, *, world_size: int) -> None:
    """Refuses `training.chunk` where the gradient would not be the whole batch's, with what differs."""
    if not chunk_of(training, world_size=world_size):
        return
    if not isinstance(method, JointEmbedding):
        raise InputError(
            f"training.chunk is {training.chunk}, but {type(method).__name__} is no joint embedding: its loss is not "
            "one of embeddings. Set it to 0; training.accumulate may do."
        )
    problem = method.parts_problem()
    if problem is not None:
        raise InputError(f"training.chunk is {training.chunk}, but {problem}.")
    check_chunk(method.in_parts(), part_sizes(training.batch_size // world_size, training.chunk))


def named_losses(turns: tuple[str, ...], halves: Sequence[Sequence[float]]) -> dict[str, float]:
    """The loss of each turn by its optimiser's name, for the log; of a turn that came twice the last.

    >>> named_losses(("critic", "encoder"), [[1.0, 0.5], [2.0, 0.0]])
    {'loss_critic': 1.5, 'loss_encoder': 2.0}
    """
    return {f"loss_{turn}": sum(pair) for turn, pair in zip(turns, halves, strict=True)}


def halves_of(terms: LossTerms) -> Float[Tensor, " halves"]:
    """The mean alignment and the spread, detached, at least in single precision."""
    return torch.stack([at_least_single(terms.align.detach()).mean(), at_least_single(terms.spread.detach())])
