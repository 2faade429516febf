"""Does a row depend on the other rows of its batch, or on where it stands among them?"""

import torch
from torch import nn

from contrascope.features.embed import evaluating
from contrascope.types import FloatImages

FEW = 8
"""Images of a small batch."""


def batch_dependence(encoder: nn.Module, images: FloatImages) -> float:
    """How far rows move when their batch is turned round and cut, over how far rows are from each other; 0 is right.

    Median over images of |f(x | batch) - f(x | other batch)|, over the root mean square distance of a row from the
    mean. Rounding gives 1e-6 in float32 and up to 0.05 in half precision.

    >>> batch_dependence(nn.Flatten(), torch.rand(8, 1, 2, 2))
    0.0
    """
    with evaluating(encoder):
        rows = encoder(images).float()
        turned = encoder(images.flip(0)).float().flip(0)
        few = torch.cat([encoder(part).float() for part in images[: 4 * FEW].split(FEW)])
    spread = (rows - rows.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    if not spread > 0:
        return 0.0
    moved = (rows - turned).norm(dim=1), (rows[: len(few)] - few).norm(dim=1)
    return float(torch.stack([one.median() for one in moved]).max() / spread)
