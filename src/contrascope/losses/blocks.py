"""Similarities of all images in blocks of rows: memory grows with the batch and not with its square."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

BLOCK_FLOATS = 1 << 20
"""Similarities held at a time on a CPU (4 MiB in float32): two views of up to 512 images are one block."""

_ON_DEVICE = 16
"""An accelerator holds this many times as many: there starting a block costs more than its memory."""


def block_images(z: Float[Tensor, "views batch dim"], per_image: int) -> int:
    """Images of a block, at `per_image` similarities each: all where they fit, else blocks of about one size.

    >>> block_images(torch.zeros(2, 512, 1), per_image=2048), block_images(torch.zeros(2, 600, 1), per_image=2400)
    (512, 300)
    """
    batch, floats = z.shape[1], BLOCK_FLOATS * (1 if z.is_cpu else _ON_DEVICE)
    most = max(1, floats // per_image)
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
    size = block_images(z, per_image)
    if size == z.shape[1]:
        return part(0, z, *whole)[None]
    parts = [
        checkpoint(part, number * size, rows, *whole, use_reentrant=False, preserve_rng_state=False)
        for number, rows in enumerate(z.split(size, dim=1))
    ]
    return torch.stack(parts)
