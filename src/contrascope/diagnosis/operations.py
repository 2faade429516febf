"""What a small change of an operation's strength does to features, exactly."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.augment.changes import find_change
from contrascope.diagnosis.networks import NO_FORWARD_MODE
from contrascope.types import FloatImages


def forward_directions(
    encoder: Callable[[Tensor], Tensor], name: str, images: FloatImages
) -> Float[Tensor, "batch dim"] | None:
    """Derivative of the encoder's output in the strength at 0, exactly, by forward mode.

    None where the operation, or an operation of the encoder, has no forward-mode derivative.

    >>> rows = forward_directions(lambda x: x.flatten(1), "brightness", torch.full((1, 1, 1, 2), 0.5))
    >>> rows.tolist()
    [[0.5, 0.5]]
    """
    operation = find_change(name)
    if not operation.smooth:
        return None
    zero = torch.zeros(len(images), device=images.device, dtype=images.dtype)
    try:
        with torch.enable_grad():
            tangent = torch.func.jvp(
                lambda s: encoder(operation.change(images, s)[0]), (zero,), (torch.ones_like(zero),)
            )[1]
    except NO_FORWARD_MODE:
        return None
    return tangent.detach()
