"""Standard views: a fixed battery under which every encoder is measured, whatever its own policy."""

import torch

from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.op import AbstractOp
from contrascope.augment.policy import Policy
from contrascope.augment.warp import Affine
from contrascope.intervals import generator
from contrascope.types import FloatImages

COLOURS = 3
"""Channels that colour operations need."""


def standard_policies(channels: int) -> dict[str, Policy]:
    """Four mild policies by name: crop, colour, both, and a small affine map.

    Of images that are not RGB the colour is brightness and contrast where there is one channel, and left out otherwise.

    >>> list(standard_policies(3)), list(standard_policies(5))
    (['crop', 'colour', 'crop and colour', 'affine'], ['crop', 'affine'])
    """
    crop, affine = (
        RandomResizedCrop(scale=(0.3, 1.0)),
        Affine(degrees=15.0, translate=0.1, scale=(0.85, 1.15)),
    )
    colour: tuple[AbstractOp, ...] = ()
    if channels == COLOURS:
        colour = (ColorJitter.of_strength(0.5), Grayscale(p=0.2))
    elif channels == 1:
        colour = (ColorJitter(brightness=0.4, contrast=0.4),)
    ops: dict[str, tuple[AbstractOp, ...]] = {"crop": (crop,)}
    if colour:
        ops |= {"colour": colour, "crop and colour": (crop, *colour)}
    return {name: Policy(ops=one, name=name) for name, one in (ops | {"affine": (affine,)}).items()}


def shuffled_pixels(images: FloatImages, *, seed: int = 0) -> FloatImages:
    """The pixels of each image in an order of its own: every colour stays, every form is gone.

    >>> shuffled_pixels(torch.arange(4.0).view(1, 1, 2, 2)).sum().item()
    6.0
    """
    count, _, height, width = images.shape
    source = generator(seed, "shuffled pixels")
    order = torch.rand(count, height * width, generator=source, dtype=torch.float64).argsort(dim=1)
    flat = images.flatten(2)
    return flat.gather(2, order.to(flat.device)[:, None].expand_as(flat)).view_as(images)
