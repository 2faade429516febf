"""The augmented distance under masks, in closed form: no view is drawn."""

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.errors import InputError


def masked_distance(
    x: Float[Tensor, "n token pixels"],
    *,
    visible: int,
    other: Float[Tensor, "m other_token other_pixels"] | None = None,
    block_floats: int = 1 << 25,
) -> Float[Tensor, "n m"]:
    """d_A of images whose views show `visible` of their patches: the least distance of two views with one mask.

    The sets A(x) and A(y) are the images with all but `visible` patches hidden. Two views with the same mask differ in
    the visible patches alone, so their nearest pair shows those that are most alike: d_A(x, y)^2 is the sum of the
    `visible` smallest |x_t - y_t|^2. Huang et al. 2023 (arXiv:2111.00743), definition of the augmented distance, for
    masks. Float64 where x has it, else float32; never increases with fewer visible patches.

    Raises `InputError` where `visible` is not between 1 and the number of patches.

    >>> x = torch.tensor([[[0.0], [0.0]], [[3.0], [4.0]]])
    >>> masked_distance(x, visible=1).tolist(), masked_distance(x, visible=2)[0, 1].item()
    ([[0.0, 3.0], [3.0, 0.0]], 5.0)
    """
    y = x if other is None else other
    tokens = x.shape[1]
    if not 1 <= visible <= tokens:
        raise InputError(f"visible is {visible}; expected 1 to {tokens}, the number of patches.")
    if y.shape[1:] != x.shape[1:]:
        raise InputError(
            f"got patches {tuple(x.shape[1:])} and {tuple(y.shape[1:])}; expected equally many of equal size."
        )
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    centre = x.mean(dim=0, dtype=wide)
    x, y = ((rows.to(wide) - centre).transpose(0, 1) for rows in (x, y))
    rows = max(1, block_floats // (tokens * y.shape[1]))
    blocks = [_least(block, y, visible) for block in x.split(rows, dim=1)]
    found = torch.cat(blocks)
    if other is None:
        found = torch.minimum(found, found.T).fill_diagonal_(0)
    return found


def _least(
    x: Float[Tensor, "token rows pixels"], y: Float[Tensor, "token m pixels"], visible: int
) -> Float[Tensor, "rows m"]:
    square = x.square().sum(2)[:, :, None] + y.square().sum(2)[:, None] - 2 * x @ y.mT
    return square.clamp_min_(0).topk(visible, dim=0, largest=False).values.sum(0).sqrt()
