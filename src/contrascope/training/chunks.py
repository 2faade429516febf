"""A large batch in little memory: embedded in parts, the loss's gradient sent back through each of them.

The gradient cache (Gao et al. 2021, arXiv:2101.06983). A first pass embeds the parts and keeps no graph; the
loss of all embeddings gives its gradient at each; a second pass embeds the parts again, one graph at a time,
and sends that gradient through. Nothing is approximated where no batch norm couples images.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.distributed import world_size
from contrascope.errors import InputError
from contrascope.losses.terms import LossTerms
from contrascope.methods.base import StepOutput
from contrascope.methods.split_norm import SplitBatchNorm
from contrascope.methods.untouched import buffers_kept

Context = Callable[[], AbstractContextManager[Any]]
"""Makes a context, anew for every `with`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPart:
    """Some images of this process's batch."""

    images: int
    """How many."""
    views: Callable[[], Any]
    """Makes what `embed` takes; called once in each of the two passes, and has to give the same both times."""


def part_sizes(batch: int, chunk: int) -> list[int]:
    """How many images each part of a batch has: `chunk`, and what is left over.

    >>> part_sizes(10, chunk=4)
    [4, 4, 2]
    """
    if chunk < 1:
        raise InputError(f"training.chunk is {chunk}; expected 1 image or more in a part.")
    return [min(chunk, batch - first) for first in range(0, batch, chunk)]


def chunk_problem(network: nn.Module, sizes: Sequence[int]) -> str | None:
    """What differs between parts of so many images and the whole batch of a process; None: nothing.

    It looks at the batch norms as they stand: one in evaluation mode couples no images, and a split one none
    of different parts where every part is a whole number of its splits.

    >>> chunk_problem(nn.BatchNorm1d(3), [4, 4])
    'batch norm would standardise each part of 4 images with its own statistics, not with those of all 8'
    """
    if len(sizes) == 1:
        return None
    for name, module in network.named_modules():
        if not (isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)):
            continue
        named = f"batch norm ({name})" if name else "batch norm"
        if not (isinstance(module, SplitBatchNorm) and module.training):
            return (
                f"{named} would standardise each part of {sizes[0]} images with its own statistics, "
                f"not with those of all {sum(sizes)}"
            )
        joined = world_size() * sum(sizes)
        apart = [size for size in sorted(set(sizes)) if module.splits * size % joined]
        if apart:
            return (
                f"the {module.splits} splits of {named} over {joined} images cut through parts of {apart[0]}"
            )
    return None


def check_chunk(network: nn.Module, sizes: Sequence[int]) -> None:
    """Refuses parts whose gradient is not that of the whole batch, and says what to do.

    >>> check_chunk(nn.Linear(3, 3), part_sizes(10, chunk=4))
    """
    problem = chunk_problem(network, sizes)
    if problem is not None:
        batch = sum(sizes)
        fitting = next(size for size in range(sizes[0], 0, -1) if batch % size == 0)
        raise InputError(
            f"training.chunk is {sizes[0]}, but {problem}. Use split batch norm with one split a part "
            f"(--training.chunk {fitting} --method.splits {world_size() * batch // fitting}), a network without batch "
            "norm, or chunk 0."
        )


def chunked_backward(
    embed: Callable[[Any], tuple[Tensor, Tensor]],
    loss: Callable[[Tensor, Tensor | None], LossTerms],
    parts: Sequence[BatchPart],
    *,
    network: nn.Module,
    targets: Callable[[Any], Tensor] | None = None,
    scale: float = 1.0,
    arithmetic: Context = contextlib.nullcontext,
    no_sync: Context = contextlib.nullcontext,
) -> StepOutput:
    """Adds to every parameter's gradient what the loss of the whole batch gives, in the memory of one part.

    Raises `InputError` where a batch norm couples images of different parts. Dropout draws in the order of
    the parts, and the same in both passes. Buffers change as in one pass; the running statistics of a split
    batch norm as those of the whole batch.

    Args:
        embed: From a part's views to h and z, both `views images width`; the gradient is sent back through z.
            Under DistributedDataParallel it has to call the wrapped module.
        loss: From z of the whole batch, and what `targets` gave for it, to the loss; it may gather from other
            processes. Parameters that it uses itself get their gradient too.
        parts: The batch of this process.
        network: All modules that `embed` and `targets` run.
        targets: From a part's views to what z is compared with, `views images width`, without gradient; it is
            asked once a part.
        scale: Multiplies the loss.
        arithmetic: Context of every forward pass: autocast.
        no_sync: Context of all backward passes but the last, as DistributedDataParallel has it.

    Returns:
        The loss and all embeddings, detached.

    >>> network, z = nn.Linear(2, 3), torch.randn(2, 8, 2)
    >>> parts = [BatchPart(images=4, views=lambda z=z: z) for z in z.split(4, dim=1)]
    >>> def loss(z, _):
    ...     return LossTerms(align=z.square().mean((0, 2)), spread=z.mean().square())
    >>> chunked_backward(lambda views: (views, network(views)), loss, parts, network=network).z.shape
    torch.Size([2, 8, 3])
    >>> whole = loss(network(z), None).total
    >>> (network.weight.grad - torch.autograd.grad(whole, network.weight)[0]).abs().max().item() < 1e-6
    True
    """
    sizes = [part.images for part in parts]
    if not sizes:
        raise InputError("got no parts of a batch; expected one or more.")
    check_chunk(network, sizes)
    first = _first_pass(embed, targets, parts, network=network, arithmetic=arithmetic)
    z = first.z.requires_grad_()
    with arithmetic():
        terms = loss(z, first.target)
    (scale * terms.total).backward()
    if z.grad is None:
        raise InputError(
            "the loss does not depend on z; expected one whose gradient can be sent back through it."
        )
    statistics = _SplitStatistics(network, batch=sum(sizes))
    gradients = z.grad.split(sizes, dim=1)
    for number, (part, gradient, state) in enumerate(zip(parts, gradients, first.states, strict=True)):
        with no_sync() if number + 1 < len(parts) else contextlib.nullcontext():
            with statistics.of(part), _replayed(state), arithmetic():
                again = embed(part.views())[1]
            again.backward(gradient)
            del again
    statistics.settle()
    detached = LossTerms(align=terms.align.detach(), spread=terms.spread.detach())
    return StepOutput(terms=detached, h=first.h, z=z.detach())


@dataclass(frozen=True, kw_only=True, slots=True)
class _FirstPass:
    """All embeddings, without graph, and what the second pass needs to repeat them."""

    h: Tensor
    z: Tensor
    target: Tensor | None
    states: list["_Randomness"]


@torch.no_grad()
def _first_pass(
    embed: Callable[[Any], tuple[Tensor, Tensor]],
    targets: Callable[[Any], Tensor] | None,
    parts: Sequence[BatchPart],
    *,
    network: nn.Module,
    arithmetic: Context,
) -> _FirstPass:
    batch = sum(part.images for part in parts)
    statistics = _SplitStatistics(network, batch=batch)
    h = z = target = None
    states: list[_Randomness] = []
    first = 0
    for part in parts:
        states.append(_Randomness.now(network))
        views = part.views()
        with statistics.splits_of(part), buffers_kept(network), arithmetic():
            some_h, some_z = embed(views)
        h, z = _placed(h, some_h, first, batch), _placed(z, some_z, first, batch)
        if targets is not None:
            with statistics.of(part), arithmetic():
                target = _placed(target, targets(views), first, batch)
        first += part.images
        del views, some_h, some_z
    statistics.settle()
    torch.clear_autocast_cache()  # torch 2.10 would use weights again that were cast here, without graph
    assert h is not None and z is not None  # noqa: PT018
    return _FirstPass(h=h, z=z, target=target, states=states)


def _placed(whole: Tensor | None, rows: Tensor, first: int, batch: int) -> Tensor:
    """The whole batch with these rows from image `first` on.

    Kept piece by piece, they would lie among the freed activations and keep memory from being used again.
    """
    if whole is None:
        whole = rows.new_empty((len(rows), batch, *rows.shape[2:]))
    whole[:, first : first + rows.shape[1]] = rows
    return whole


class _SplitStatistics:
    """Running statistics of split batch norms over the parts: each part starts from those before the step."""

    def __init__(self, network: nn.Module, *, batch: int) -> None:
        self.batch = batch
        self.norms = [m for m in network.modules() if isinstance(m, SplitBatchNorm) and m.training]
        found = [b for norm in self.norms for b in (norm.running_mean, norm.running_var) if b is not None]
        self.buffers = [(buffer, buffer.clone(), torch.zeros_like(buffer)) for buffer in found]

    @contextlib.contextmanager
    def splits_of(self, part: BatchPart) -> Iterator[None]:
        """A part has its share of the splits; its views come one at a time."""

        def one_view(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if len(inputs[0]) != part.images:
                raise InputError(
                    f"{norm} got {len(inputs[0])} rows from a part of {part.images} images, but splits are parts "
                    "of one view's batch. Set joint_pass=False, or chunk 0."
                )

        whole = [norm.splits for norm in self.norms]
        hooks = [norm.register_forward_pre_hook(one_view) for norm in self.norms]
        for norm in self.norms:
            norm.splits = norm.splits * part.images // self.batch
        try:
            yield
        finally:
            for norm, splits, hook in zip(self.norms, whole, hooks, strict=True):
                norm.splits = splits
                hook.remove()

    @contextlib.contextmanager
    def of(self, part: BatchPart) -> Iterator[None]:
        """`splits_of`, and the change of the running statistics is noted and taken back."""
        with self.splits_of(part):
            yield
        with torch.no_grad():
            for buffer, before, change in self.buffers:
                change.add_(buffer - before, alpha=part.images / self.batch)
                buffer.copy_(before)

    @torch.no_grad()
    def settle(self) -> None:
        """The average over the parts: what the whole batch would have left."""
        for buffer, before, change in self.buffers:
            buffer.copy_(before + change)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Randomness:
    """State of torch's generators on the CPU and on a network's device."""

    device: torch.device
    cpu: Tensor
    own: Tensor | None

    @classmethod
    def now(cls, network: nn.Module) -> "_Randomness":
        device = next((p.device for p in network.parameters()), torch.device("cpu"))
        own = None if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)
        return cls(device=device, cpu=torch.get_rng_state(), own=own)


@contextlib.contextmanager
def _replayed(state: _Randomness) -> Iterator[None]:
    """Draws in here are those that followed `state`; afterwards the generators go on as if there were none."""
    own = [] if state.own is None else [state.device]
    kind = "cuda" if state.own is None else state.device.type
    with torch.random.fork_rng(devices=own, device_type=kind):
        torch.set_rng_state(state.cpu)
        if state.own is not None:
            torch.get_device_module(state.device).set_rng_state(state.own, state.device)
        yield
