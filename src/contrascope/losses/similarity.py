"""Unit vectors, the nearest of a queue, and the log of the summed similarity of each embedding to other images."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.losses.blocks import block_images
from contrascope.losses.others import LOG_SUM, over_others
from contrascope.losses.pairs import flatten_pairs

_ZERO_SQUARE_NORM = 1e-30
"""Squared norms up to this count as the zero vector."""


def unit(z: Float[Tensor, "*stack dim"]) -> Float[Tensor, "*stack dim"]:
    """`z` scaled to length 1; the zero vector stays zero and gets the gradient zero.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).square().sum(-1).tolist()
    [1.0, 0.0]
    """
    square = z.square().sum(-1, keepdim=True)
    scale = square.clamp_min(_ZERO_SQUARE_NORM).rsqrt()
    return z * torch.where(square > _ZERO_SQUARE_NORM, scale, 0.0)


@torch.no_grad()
def nearest_places(
    queries: Float[Tensor, "*stack dim"], queue: Float[Tensor, "size dim"], *, count: int
) -> Int[Tensor, "*stack count"]:
    """Places in the queue of the `count` rows with the largest cosine to each query, the nearest first.

    Unlike `linalg.nearest` it takes numbers that are not finite, which the loop reports by the loss, and reads nothing
    back from the device.

    >>> nearest_places(torch.tensor([[2.0, 1.0]]), torch.eye(2), count=2).tolist()
    [[0, 1]]
    """
    rows, keys = unit(queries.to(queue.dtype)).flatten(0, -2), unit(queue)
    parts = rows.split(block_images(rows[None], per_image=len(queue)))
    places = torch.cat([(part @ keys.T).topk(count, dim=1).indices for part in parts])
    return places.view(*queries.shape[:-1], count)


def log_negatives(
    online: Float[Tensor, "views batch dim"], target: Float[Tensor, "views batch dim"]
) -> Float[Tensor, "pairs batch"]:
    """Log of the sum of exp(online . target) over both views of all other images, per ordered pair of views.

    For the pair (a, b) the anchor is online view a of an image, and the 2(batch - 1) terms are the target
    views a and b of the other images. All pairs are read from one similarity matrix of all embeddings, made
    in blocks of images.
    """
    per_view = over_others(online, target, LOG_SUM)  # views batch views
    own = torch.einsum("aia->ia", per_view)
    return flatten_pairs(torch.logaddexp(own[:, :, None], per_view.transpose(0, 1)))
