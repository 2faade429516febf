"""Similarities of all images in blocks of rows: memory grows with the batch and not with its square."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

BLOCK_FLOATS = 1 << 22
"""Similarities held at a time (16 MiB in float32); two views of up to 1,024 images are one block."""


def block_images(batch: int, per_image: int) -> int:
    """Images of a block, at `per_image` similarities each: all where they fit, else blocks of about one size.

    >>> block_images(1024, per_image=4096), block_images(4096, per_image=16384)
    (1024, 256)
    """
    most = max(1, BLOCK_FLOATS // per_image)
    return -(-batch // -(-batch // most))


def over_blocks(
    part: Callable[..., Tensor], z: Float[Tensor, "views batch dim"], *whole: Tensor | float, per_image: int
) -> Float[Tensor, "blocks ..."]:
    """`part(first, rows, *whole)` for every block: `rows` are images `first` and on of `z`, in all views.

    Where there is more than one block, each is computed again in the backward pass and not kept.

    >>> z = torch.ones(2, 3, 4)
    >>> over_blocks(lambda first, rows, z: (rows @ z.mT).sum(), z, z, per_image=6)
    tensor([72.])
    """
    size = block_images(z.shape[1], per_image)
    if size == z.shape[1]:
        return part(0, z, *whole)[None]
    parts = [
        checkpoint(part, number * size, rows, *whole, use_reentrant=False, preserve_rng_state=False)
        for number, rows in enumerate(z.split(size, dim=1))
    ]
    return torch.stack(parts)
