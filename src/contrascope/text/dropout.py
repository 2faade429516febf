"""Dropout whose masks are keyed: a function of the sentence's key, the place of the layer, token and entry alone."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from contrascope.draws import DrawKey, words
from contrascope.errors import InputError

STEPS = 256
"""A share is dropped in steps of one in so many: a byte is drawn for each entry."""


def threshold(share: float) -> int:
    """The share in steps of 1/256, rounded to the nearest.

    >>> threshold(0.1), threshold(0.0)
    (26, 0)
    """
    if not 0 <= share < 1:
        raise InputError(f"the share of dropout is {share}; expected one in [0, 1).")
    steps = round(share * STEPS)
    if share and not 0 < steps < STEPS:
        raise InputError(
            f"the share of dropout is {share}; the smallest is {1 / STEPS:g}, the largest {255 / STEPS:g}."
        )
    return steps


def random_bytes(
    keys: Int[Tensor, " rows"], *, site: int, width: int, per: int
) -> UInt8[Tensor, "rows per width"]:
    """A byte for each entry: of `per` tokens of each row, `width` entries; those of a token do not depend on `per`."""
    rows = keys.clamp_min(0).repeat_interleave(per)
    token = torch.arange(per, device=keys.device).repeat(len(keys))
    drawn = words(DrawKey(seed=0, epoch=0, ids=rows, view=token, operation=site), -(-width // 4))
    return drawn.flatten().view(torch.uint8).view(len(keys), per, -1, 8)[..., :4].flatten(2)[..., :width]


def kept(
    keys: Int[Tensor, " rows"], *, share: float, site: int, width: int, per: int
) -> Float[Tensor, "rows per width"]:
    """What each entry is multiplied by: 0, or one over the share that stays; 1 for rows without a key.

    >>> kept(torch.tensor([-1]), share=0.5, site=0, width=2, per=1).tolist()
    [[[1.0, 1.0]]]
    """
    steps = threshold(share)
    stays = random_bytes(keys, site=site, width=width, per=per) >= steps
    factor = stays.to(torch.float32) * (STEPS / (STEPS - steps))
    return torch.where((keys >= 0)[:, None, None], factor, 1.0)
