"""A small network over flat images, and its batch in parts: in one process and, run as a script, in several."""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from contrascope import distributed
from contrascope.distributed import gather_batch
from contrascope.losses import nt_xent
from contrascope.methods.split_norm import split_batch_norm
from contrascope.training.chunks import BatchPart, chunked_backward


class Network(nn.Module):
    """From `images 6` to h and z, with the same weights every time."""

    def __init__(self, *, norm, dropout=0.0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.linear = nn.Linear(6, 5)
            self.norm = nn.BatchNorm1d(5) if norm else nn.Identity()
            self.drop = nn.Dropout(dropout)
            self.head = nn.Linear(5, 4)

    def forward(self, images):
        h = self.drop(torch.tanh(self.norm(self.linear(images))))
        return h, self.head(h)


def embedder(network):
    """Views one after the other."""

    def embed(views):
        h, z = zip(*map(network, views), strict=True)
        return torch.stack(h), torch.stack(z)

    return embed


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def contrast(z):
    return nt_xent(gather_batch(z), temperature=0.5)


def in_parts(views, chunk):
    return [
        BatchPart(images=part.shape[1], views=lambda part=part: part) for part in views.split(chunk, dim=1)
    ]


def whole_backward(network, views, loss):
    terms = loss(embedder(network)(views)[1])
    terms.total.backward()
    return terms


def joined_views():
    return normal(11, 2, 16, 6)


def network_of_processes():
    """Four splits of the joined batch of 16: with two processes one to each part of 4."""
    return split_batch_norm(Network(norm=True).double(), splits=4)


class BothViews(nn.Module):
    """What DistributedDataParallel wraps: the forward pass over all views of a part."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, views):
        return embedder(self.network)(views)


def trained(rank, world):
    found = {}
    parts = in_parts(joined_views().chunk(world, dim=1)[rank], 4)
    network = network_of_processes()
    chunked_backward(embedder(network), lambda z, _: contrast(z), parts, network=network)
    distributed.average_gradients(network.parameters())
    found |= {f"by hand/{name}": p.grad for name, p in network.named_parameters()}
    both = BothViews(network_of_processes())
    wrapped = nn.parallel.DistributedDataParallel(both, broadcast_buffers=False)
    chunked_backward(wrapped, lambda z, _: contrast(z), parts, network=both, no_sync=wrapped.no_sync)
    return found | {f"DistributedDataParallel/{name}": p.grad for name, p in both.network.named_parameters()}


def process(rank, world, folder):
    torch.set_num_threads(1)
    store = (Path(folder) / "store").as_uri()
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    np.savez(
        Path(folder) / f"rank{rank}.npz", **{key: grad.numpy() for key, grad in trained(rank, world).items()}
    )
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(process, args=(int(sys.argv[1]), sys.argv[2]), nprocs=int(sys.argv[1]))
