"""Gradients of every registered loss through a small encoder with batch norm, in 1 or W processes.

As a script: `python distributed_worker.py WORLD FOLDER` starts WORLD gloo processes and writes what each of
them found to FOLDER/rank0.npz, FOLDER/rank1.npz, ...
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from contrascope import distributed
from contrascope.errors import InputError
from contrascope.losses import LOSSES, SoftWorst

QUEUE = torch.linspace(-1, 1, 18).sin().view(6, 3)
DTYPES = {"float32": torch.float32, "float64": torch.float64}
JOINED = 8
CHOICES = {
    **{word: word for word in ("first", "average", "average-asymmetric", "worst", "worst-symmetric")},
    "soft-worst": SoftWorst(temperature=0.5),
}
"""Every word of `positives`, with what a loss takes."""


def encoder():
    torch.manual_seed(5)
    layers = [
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(64, 6),
        nn.BatchNorm1d(6),
    ]
    return nn.Sequential(*layers, nn.Tanh(), nn.Linear(6, 3))


def images(dtype):
    """Three views of the joined batch; every image differs, and later ones are larger, so that ranks differ."""
    generator = torch.Generator().manual_seed(6)
    x = torch.randn(3, JOINED, 1, 6, 6, dtype=torch.float64, generator=generator)
    return (x * torch.linspace(0.5, 3, JOINED, dtype=torch.float64).view(1, -1, 1, 1, 1)).to(dtype)


def required_settings(info, dtype):
    queue = {"queue": QUEUE.to(dtype)} if "queue" in info.required else {}
    return {**info.example, **queue}


def words_of(info):
    """The choices of pairs that a loss can take."""
    return [word for word in CHOICES if not (info.per_dimension and word == "soft-worst")]


def gradients(info, dtype, *, with_target, word="average"):
    """Gradients after averaging, and running statistics; each process takes its share of the images."""
    rank, world = distributed.rank(), distributed.world_size()
    network = encoder().to(dtype)
    network = distributed.synchronise_batch_norm(network) if world > 1 else network
    predictor = nn.Linear(3, 3, dtype=dtype)
    with torch.no_grad():
        predictor.weight.copy_(torch.arange(9, dtype=dtype).view(3, 3).cos())
    own = images(dtype).chunk(world, dim=1)[rank]
    z = torch.stack([network(view) for view in own])
    z = distributed.gather_batch(z) if info.gathers else z
    online, target = (predictor(z), z.detach()) if with_target else (z, None)
    chosen = required_settings(info, dtype) | {"positives": CHOICES[word]}
    info.fn(online, target, **chosen).total.backward()
    distributed.average_gradients(network.parameters())
    found = {f"grad.{k}": p.grad for k, p in network.named_parameters()}
    return found | {f"buffer.{k}": b for k, b in network.named_buffers()}


def every_gradient():
    return {
        f"{name}/{word}/{with_target}/{precision}/{key}": value.numpy()
        for name, info in LOSSES.items()
        for word in words_of(info)
        for with_target in (False, True)
        for precision, dtype in DTYPES.items()
        for key, value in gradients(info, dtype, with_target=with_target, word=word).items()
    }


def primitives(rank, world):
    """One number or array per function of the module, all of them different on every rank."""
    x = torch.tensor([[rank + 1.0, 2.0]], requires_grad=True)
    weight = torch.arange(1.0, world + 1)[:, None]
    (distributed.gather_batch(x) * weight).sum().backward()
    gathered_grad, x.grad = x.grad, None
    ((rank + 1) * distributed.all_reduce_sum(x)).sum().backward()
    summed_grad, x.grad = x.grad, None
    ((rank + 1) * distributed.all_reduce_mean(x)).sum().backward()
    partial = nn.Parameter(torch.zeros(2))
    partial.grad = torch.full((2,), 6.0) if rank == 0 else None
    never = nn.Parameter(torch.zeros(2))
    distributed.average_gradients([partial, never])
    module = nn.BatchNorm1d(2)
    nn.init.constant_(module.weight, rank)
    module.running_mean += rank
    distributed.broadcast_module(module)
    try:
        distributed.gather_batch(torch.zeros(1 + rank, 2))
        refusal = "none"
    except InputError as error:
        refusal = str(error)
    distributed.barrier()
    return {
        "rank": rank,
        "world_size": distributed.world_size(),
        "is_main": distributed.is_main(),
        "gathered": distributed.gather_batch(x.detach()),
        "rows": distributed.gather_rows(torch.tensor([rank, 10 + rank])),
        "gathered_grad": gathered_grad,
        "summed": distributed.all_reduce_sum(x.detach()),
        "summed_grad": summed_grad,
        "mean": distributed.all_reduce_mean(x.detach()),
        "mean_grad": x.grad,
        "partial": partial.grad,
        "never_has_none": never.grad is None,
        "broadcast": distributed.broadcast(torch.tensor(rank + 7)),
        "broadcast_weight": module.weight.detach(),
        "broadcast_buffer": module.running_mean,
        "value": distributed.broadcast_value(f"run {rank}"),
        "refusal": refusal,
    }


def batch_norm(layer, x, *, sizes=None):
    """Output, input gradient, running statistics of `layer` on this process's part of `x`."""
    rank = distributed.rank()
    own = x if sizes is None else x.split(sizes)[rank]
    own = own.clone().requires_grad_()
    out = layer(own)
    (
        out * torch.arange(x.shape[1], dtype=x.dtype).add(1).view(1, -1, *[1] * (x.ndim - 2)) + out.pow(3)
    ).sum().backward()
    found = {"out": out.detach(), "grad": own.grad}
    return found | {k: v.clone() for k, v in layer.state_dict().items() if k.startswith(("running", "num"))}


def batch_norm_cases():
    far = torch.randn(7, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 50
    return {
        "plain": (nn.BatchNorm2d(3, dtype=torch.float64), far),
        "no_affine": (nn.BatchNorm2d(3, affine=False, dtype=torch.float64), far),
        "no_momentum": (nn.BatchNorm2d(3, momentum=None, dtype=torch.float64), far),
        "no_tracking": (nn.BatchNorm2d(3, track_running_stats=False, dtype=torch.float64), far),
        "far_from_zero": (nn.BatchNorm1d(3), far[:, :, 0, 0].float() + 950),
        "evaluation": (nn.BatchNorm2d(3, dtype=torch.float64).eval(), far),
    }


def batch_norms(world):
    sizes = [7 - 2 * (world - 1)] + [2] * (world - 1) if world < 4 else [1, 3, 2, 1]
    found = {}
    for name, (layer, x) in batch_norm_cases().items():
        layer = distributed.synchronise_batch_norm(layer)
        for step in range(2):
            result = batch_norm(layer, x + step, sizes=sizes)
            found |= {f"{name}/{step}/{key}": value for key, value in result.items()}
    return found


def process(rank, world, folder):
    torch.set_num_threads(1)
    store = (Path(folder) / "store").as_uri()
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    found = {f"primitives/{k}": v for k, v in primitives(rank, world).items()}
    found |= {f"batch_norm/{k}": v for k, v in batch_norms(world).items()}
    np.savez(Path(folder) / f"rank{rank}.npz", **found | every_gradient())
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(process, args=(int(sys.argv[1]), sys.argv[2]), nprocs=int(sys.argv[1]))
