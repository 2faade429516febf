"""Batch norm over parts of a batch: what several devices without synchronisation would compute."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from contrascope.distributed import all_reduce_mean, world_size
from contrascope.errors import InputError


class SplitBatchNorm(_BatchNorm):
    """Batch norm of each of `splits` consecutive parts of the joined batch by its own statistics.

    Running statistics are the average over the parts; in evaluation it is plain batch norm. With W processes
    each holds splits / W of the parts. The state dict is that of torch's batch norm.

    >>> norm = SplitBatchNorm(1, splits=2)
    >>> norm(torch.tensor([[1.0], [3.0], [10.0], [30.0]])).round().flatten().tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """

    def __init__(self, num_features: int, *, splits: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)
        self.splits = splits

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of spatial axes will do."""

    def forward(self, input: Float[Tensor, "batch width *space"]) -> Float[Tensor, "batch width *space"]:
        if not self.training:
            return super().forward(input)
        parts = local_parts(len(input), self.splits)
        means, variances, outputs = [], [], []
        for part in input.chunk(parts):
            mean, variance = _copied(self.running_mean), _copied(self.running_var)
            outputs.append(
                F.batch_norm(
                    part, mean, variance, self.weight, self.bias, True, self.momentum or 0.0, self.eps
                )
            )
            means.append(mean)
            variances.append(variance)
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.copy_(torch.stack([m for m in means if m is not None]).mean(0))
            self.running_var.copy_(torch.stack([v for v in variances if v is not None]).mean(0))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)  # a part alone needs no copy


def _copied(running: Tensor | None) -> Tensor | None:
    return None if running is None else running.clone()


def local_parts(batch: int, splits: int) -> int:
    """How many of the `splits` parts of the joined batch lie in this process's `batch` images."""
    parts, rest = divmod(splits, world_size())
    if rest or batch % parts or batch == parts:
        raise InputError(
            f"{splits} splits need processes that divide them and, on each, a multiple of splits / processes "
            f"images, two or more a split; got {batch} images on each of {world_size()} processes. "
            "Change `splits` (0: synchronised batch norm) or the batch size."
        )
    return parts


def split_batch_norm(module: nn.Module, *, splits: int) -> nn.Module:
    """Replaces every batch norm below `module` in place; parameters and buffers are kept.

    >>> split_batch_norm(nn.Sequential(nn.BatchNorm1d(3)), splits=4)[0].splits
    4
    """
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, SplitBatchNorm):
            setattr(module, name, _converted(child, splits=splits))
        else:
            split_batch_norm(child, splits=splits)
    return module


def _converted(norm: _BatchNorm, *, splits: int) -> SplitBatchNorm:
    if norm.momentum is None or type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        raise InputError(
            f"cannot split {norm}; expected torch's BatchNorm1d, 2d or 3d with a momentum. Set splits=0."
        )
    new = SplitBatchNorm(norm.num_features, splits=splits, eps=norm.eps, momentum=norm.momentum)
    new._parameters.update(norm._parameters)
    new._buffers.update(norm._buffers)
    return new.train(norm.training)


@torch.no_grad()
def join_running_statistics(module: nn.Module) -> None:
    """Averages the running statistics of every split batch norm over processes.

    The running average is linear, so once a step gives what averaging in every pass would give.

    >>> join_running_statistics(nn.Sequential(SplitBatchNorm(2, splits=2)))
    """
    if world_size() == 1:
        return
    norms = [m for m in module.modules() if isinstance(m, SplitBatchNorm)]
    buffers = [b for norm in norms for b in (norm.running_mean, norm.running_var) if b is not None]
    if buffers:
        joined = all_reduce_mean(torch.cat(buffers))
        for buffer, mean in zip(buffers, joined.split([len(b) for b in buffers]), strict=True):
            buffer.copy_(mean)
