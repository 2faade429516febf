"""Which images a step sees: a pure function of seed, epoch and position."""

import torch
from jaxtyping import Int
from torch import Tensor

from contrascope.errors import InputError

EPOCH_STRIDE = 1_000_003


def epoch_order(num_images: int, *, seed: int, epoch: int) -> Int[Tensor, " num_images"]:
    """The epoch's permutation of image ids; the same on every rank, device and after every resume."""
    generator = torch.Generator().manual_seed(seed * EPOCH_STRIDE + epoch)
    return torch.randperm(num_images, generator=generator)


def steps_per_epoch(num_images: int, *, batch_size: int, world_size: int) -> int:
    """Whole batches in an epoch; the incomplete last one is left out, for batch norm and contrast need a full one.

    >>> steps_per_epoch(1000, batch_size=256, world_size=2)
    3
    """
    if batch_size % world_size:
        raise InputError(
            f"training.batch_size {batch_size} cannot be shared by {world_size} processes evenly; "
            f"choose a multiple of {world_size}."
        )
    if num_images < batch_size:
        raise InputError(
            f"the data has {num_images} images, fewer than training.batch_size {batch_size}; lower the batch size."
        )
    return num_images // batch_size


def rank_order(
    order: Int[Tensor, " num_images"], *, batch_size: int, rank: int, world_size: int
) -> Int[Tensor, " kept"]:
    """One rank's share: each global batch is cut into `world_size` consecutive parts.

    >>> rank_order(torch.arange(9), batch_size=4, rank=1, world_size=2).tolist()
    [2, 3, 6, 7]
    """
    whole = len(order) // batch_size
    parts = order[: whole * batch_size].view(whole, world_size, batch_size // world_size)
    return parts[:, rank].reshape(-1)
