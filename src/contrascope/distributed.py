"""The only user of torch.distributed: several processes compute what one computes on the joined batch.

The convention behind every backward here: each process computes the same full loss from gathered embeddings, and
differentiates the sum of all processes' losses; then the parameters' gradients are averaged (DistributedDataParallel
does it, or `average_gradients`). The sum has world_size equal terms and the average divides by world_size: what remains
is the gradient of the one loss on the joined batch. Without a process group every function is that of one process.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.errors import InputError

Value = TypeVar("Value")
_DROP = "Drop the last, incomplete batch."


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if _grouped() else 0


def world_size() -> int:
    """The number of processes; 1 without a process group.

    >>> rank(), world_size(), is_main()
    (0, 1, True)
    """
    return dist.get_world_size() if _grouped() else 1


def is_main() -> bool:
    """Whether this is the one process that writes files and prints."""
    return rank() == 0


def barrier() -> None:
    """Waits until every process has come here."""
    if world_size() > 1:
        dist.barrier()


def gather_batch(z: Float[Tensor, "... batch dim"]) -> Float[Tensor, "... joined dim"]:
    """The embeddings of all processes joined along the batch axis, rank 0's images first.

    The gradient is world_size times this process's slice of the gradient of the joined tensor: the sum over
    processes that all compute the same loss, without communication. Every process needs equally many images.

    >>> gather_batch(torch.ones(2, 3, 4)).shape
    torch.Size([2, 3, 4])
    """
    if world_size() == 1:
        return z
    refuse_unequal(z.shape[-2], z.device)
    return _GatherBatch.apply(z)


def gather_rows(x: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "joined ..."]:
    """Rows of all processes, rank 0's first, without gradient: for ids, keys of a queue and metrics."""
    if world_size() == 1:
        return x
    refuse_unequal(x.shape[0], x.device)
    return torch.cat(_all_gather(x.detach()))


def refuse_unequal(batch: int, device: torch.device) -> None:
    """Refuses processes that hold different numbers of images: averaged gradients would weigh them unequally.

    On a GPU the refusal is a failed assertion of the device, which ends the process at its next call.
    """
    if world_size() == 1:
        return
    sizes = torch.cat(_all_gather(torch.full((1,), batch, dtype=torch.int64, device=device)))
    if device.type != "cpu":  # to read them would wait for the device: it stops by itself
        assert_equal(sizes, batch)
    elif len(set(held := sizes.tolist())) > 1:
        raise InputError(f"processes hold {held} images; expected equally many. {_DROP}")


def assert_equal(sizes: Int[Tensor, " processes"], batch: int) -> None:
    """An assertion where the sizes are, which the host does not wait for."""
    words = f"processes hold different numbers of images, {batch} here; expected equally many. {_DROP}"
    torch._assert_async((sizes == batch).all(), words)


def all_reduce_sum(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Sum over processes; the gradient is the sum of all processes' gradients."""
    return x if world_size() == 1 else _AllReduceSum.apply(x)


def all_reduce_mean(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Mean over processes; the gradient is the mean of all processes' gradients.

    >>> all_reduce_mean(torch.tensor(3.0)).item()
    3.0
    """
    return all_reduce_sum(x) / world_size()


def broadcast(x: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Rank 0's tensor on every process, as a new tensor without gradient."""
    if world_size() == 1:
        return x.detach().clone()
    shared = x.detach().clone(memory_format=torch.contiguous_format)
    dist.broadcast(shared, src=0)
    return shared


def broadcast_module(module: nn.Module) -> None:
    """Overwrites parameters and buffers of `module` with rank 0's, in place."""
    if world_size() == 1:
        return
    with torch.no_grad():
        for x in [*module.parameters(), *module.buffers()]:
            x.copy_(broadcast(x))


def broadcast_value(value: Value) -> Value:
    """Rank 0's value on every process: the name of a run's folder, a drawn seed.

    >>> broadcast_value({"seed": 3})
    {'seed': 3}
    """
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces every gradient by its mean over processes, in one message per type and device.

    A parameter without a gradient on some processes counts as zero there; one without any stays without.
    """
    if world_size() == 1:
        return
    trained = [p for p in parameters if p.requires_grad]
    device = next((p.device for p in trained), None)
    present = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=device)
    dist.all_reduce(present)
    messages: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for p, count in zip(trained, present.tolist(), strict=True):
        if count:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            messages.setdefault((p.grad.dtype, p.grad.device), []).append(p.grad)
    for gradients in messages.values():
        message = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(message)
        message /= world_size()
        for g, mean in zip(gradients, message.split([g.numel() for g in gradients]), strict=True):
            g.copy_(mean.view_as(g))


class SynchronisedBatchNorm(_BatchNorm):
    """Batch norm over the images of all processes, on any device, of inputs `batch channel ...`.

    Output, gradients after averaging and running statistics equal torch's batch norm on the joined batch;
    processes may hold different numbers of images. In a single process and in evaluation it is torch's.

    >>> SynchronisedBatchNorm(2)(torch.tensor([[1.0, 0.0], [3.0, 0.0]])).round().tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    def forward(self, input: Float[Tensor, "batch channel ..."]) -> Float[Tensor, "batch channel ..."]:
        local_statistics = self.training or self.running_mean is None
        if world_size() == 1 or not local_statistics:
            return super().forward(input)
        self._check_input_dim(input)
        mean, variance, count = _joined_statistics(input)
        if self.training and self.track_running_stats:
            self._update_running(mean, variance * (count / (count - 1)))
        return _Normalise.apply(input, self.weight, self.bias, mean, variance, count, self.eps)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2 or input.numel() == 0:
            raise InputError(
                f"batch norm got {tuple(input.shape)}; expected (batch, channel, ...), not empty."
            )

    @torch.no_grad()
    def _update_running(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None  # noqa: PT018
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        # torch: `momentum=None` asks for the plain average over all batches seen
        rate = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean += rate * (mean - self.running_mean)
        self.running_var += rate * (unbiased_variance - self.running_var)


_CONVERTED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def synchronise_batch_norm(module: nn.Module) -> nn.Module:
    """`module` with every batch norm synchronised: the same parameter objects, the same state_dict keys.

    Children are replaced in place; go on with the returned module: a lone batch norm becomes a new one.

    >>> synchronise_batch_norm(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))[1]
    SynchronisedBatchNorm(3, eps=1e-05, momentum=0.1, ...)
    """
    if isinstance(module, SynchronisedBatchNorm):
        return module
    if isinstance(module, _BatchNorm):
        return _converted(module)
    for name, child in module.named_children():
        setattr(module, name, synchronise_batch_norm(child))
    return module


def _converted(layer: _BatchNorm) -> SynchronisedBatchNorm:
    if type(layer) not in _CONVERTED:
        raise InputError(
            f"{type(layer).__name__} is a batch norm of its own kind and cannot be synchronised; "
            "expected torch's BatchNorm1d, 2d or 3d. Choose another encoder, or train in one process."
        )
    new = SynchronisedBatchNorm(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats, device="meta"
    )
    new._parameters.update(layer._parameters)
    new._buffers.update(layer._buffers)
    return new.train(layer.training)


def _grouped() -> bool:
    return dist.is_available() and dist.is_initialized()


def _all_gather(x: Tensor) -> list[Tensor]:
    pieces = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world_size())]
    dist.all_gather(pieces, x.contiguous())
    return pieces


def _joined_statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance and count per channel over all processes, from each one's own by one message."""
    with torch.no_grad():
        exact = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        variance, mean = torch.var_mean(exact, dim=_all_but_channel(x), correction=0)
        own_count = torch.full_like(mean[:1], x.numel() // x.shape[1])
        own_count, means, variances = torch.stack(_all_gather(torch.cat([own_count, mean, variance]))).split(
            [1, len(mean), len(mean)], dim=1
        )
        share = own_count / own_count.sum()
        joined = (share * means).sum(0)
        # the variance within processes plus that between their means: no difference of large squares
        return joined, (share * (variances + (means - joined).square())).sum(0), own_count.sum()


def _all_but_channel(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


class _GatherBatch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.batch = z.shape[-2]
        return torch.cat(_all_gather(z), dim=-2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return world_size() * grads[0].narrow(-2, rank() * ctx.batch, ctx.batch)


class _AllReduceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _AllReduceSum.apply(*grads)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias; mean and variance depend on all processes' x."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, weight, bias, mean, variance, count, eps = inputs
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt(), count)
        ctx.has_bias = bias is not None
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,), (x, weight, mean, scale, count) = grads, ctx.saved_tensors
        shape, axes = [1, -1] + [1] * (x.ndim - 2), _all_but_channel(x)
        standard = (x - mean.view(shape)) * scale.view(shape)
        own_bias, own_weight = grad.sum(axes, dtype=mean.dtype), (grad * standard).sum(axes, dtype=mean.dtype)
        joined = torch.cat([own_bias, own_weight])
        dist.all_reduce(joined)
        mean_grad, mean_product = (joined / count).chunk(2)
        factor = scale if weight is None else scale * weight
        grad_x = factor.view(shape) * (grad - mean_grad.view(shape) - standard * mean_product.view(shape))
        grad_weight = None if weight is None else own_weight.to(weight.dtype)
        return grad_x.to(x.dtype), grad_weight, own_bias if ctx.has_bias else None, None, None, None, None
