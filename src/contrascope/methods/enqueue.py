"""Rows that enter a queue of old embeddings: the same on every process, in the order of the joined batch."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.distributed import gather_rows


def joined_rows(z: Float[Tensor, "views batch dim"]) -> Float[Tensor, "rows dim"]:
    """Embeddings of all processes without gradient, view after view, each in the order of the joined batch.

    >>> joined_rows(torch.ones(2, 3, 4)).shape
    torch.Size([6, 4])
    """
    return gather_rows(z.transpose(0, 1)).transpose(0, 1).flatten(0, 1)


@torch.no_grad()
def enqueue(queue: Float[Tensor, "size dim"], pointer: Int[Tensor, ""], rows: Float[Tensor, "n dim"]) -> None:
    """Writes the rows, in place, where the oldest stand, and moves the pointer behind them.

    Of more rows than places the latest stay; any number wraps around.

    >>> queue, pointer = torch.zeros(3, 1), torch.tensor(2)
    >>> enqueue(queue, pointer, torch.tensor([[1.0], [2.0]]))
    >>> queue.flatten().tolist(), pointer.item()
    ([2.0, 0.0, 1.0], 1)
    """
    size = len(queue)
    places = (pointer + torch.arange(len(rows), device=rows.device)) % size
    queue[places[-size:]] = rows[-size:].to(queue)
    pointer.copy_((pointer + len(rows)) % size)
