"""Which images to label: some that are spread over an embedding."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.intervals import generator
from contrascope.linalg import require_finite, unit_rows


def spread_images(h: Float[Tensor, "n dim"], count: int, *, seed: int = 0) -> Int[Tensor, " count"]:
    """Rows of `count` different images, far from one another, in the order in which they are drawn.

    k-means++ (Arthur and Vassilvitskii 2007, section 2.2): each is drawn with a probability that grows with the squared
    distance of its unit row from those drawn before, the first one uniformly. Where all the rest coincide with drawn
    ones, uniformly. A first part of the order is itself spread: one may stop early.

    >>> spread_images(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 2).max().item()
    2
    """
    n = len(h)
    if not 1 <= count <= n:
        raise InputError(f"{count} images to label of {n}; expected 1 to {n}.")
    require_finite(h, "h")
    rows, source = unit_rows(h.detach().double().cpu()), generator(seed, "spread")
    left, free = torch.full((n,), 4.0, dtype=torch.float64), torch.ones(n, dtype=torch.float64)
    chosen = []
    for _ in range(count):
        weight = left * free
        weight = weight if float(weight.sum()) > 1e-12 else free
        at = int(torch.multinomial(weight, 1, generator=source))
        chosen.append(at)
        free[at] = 0.0
        left = torch.minimum(left, (2 - 2 * rows @ rows[at]).clamp_min(0.0))
    return torch.tensor(chosen)
