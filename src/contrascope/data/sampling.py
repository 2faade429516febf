"""Random parts of a set of images."""

import torch
from torch import Tensor

from contrascope.data.imageset import ImageSet

HELD_OUT = 0.2


PROBE_IMAGES = 10_000


def held_out(num_images: int, *, seed: int, share: float = HELD_OUT) -> tuple[Tensor, Tensor]:
    """Ids to learn from and ids kept apart, a fixed random fifth."""
    order = torch.randperm(num_images, generator=torch.Generator().manual_seed(seed))
    cut = max(1, round(share * num_images))
    return order[cut:].sort().values, order[:cut].sort().values


def some_images(images: ImageSet, most: int, *, seed: int) -> ImageSet:
    """At most `most` images, drawn at random and kept in their order."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images.select(order[:most].sort().values)
