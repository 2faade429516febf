"""Operations whose strength is a number: images changed by exactly so much, for measurements."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.colour import (
    adjust_brightness_,
    adjust_contrast_,
    adjust_hue_,
    adjust_saturation_,
    gray,
)
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.warp import Affine
from contrascope.draws import DrawKey, uniform
from contrascope.errors import InputError, did_you_mean
from contrascope.types import FloatImages, Ids

Strength = Float[Tensor, " batch"]
"""How strongly each image is changed; 0 leaves it as it is."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One operation whose strength is a number."""

    change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    """Images in [0, 1] and strengths to changed images and the strengths that they really have."""
    reach: float
    """Strengths are uniform in [-reach, reach], or 1 for all images where the operation is on or off."""
    unit: str
    """What strength 1 is."""
    sided: bool = False
    """Strengths are uniform in [0, reach] instead."""
    switch: bool = False
    """On or off, with nothing between: it has directions and no generator."""
    smooth: bool = False
    """Torch differentiates it in the strength in forward mode."""
    colour: bool = False
    """It needs three channels."""


def _affine(parameter: str) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def change(images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        zero = torch.zeros_like(strength)
        params = {
            "on": torch.ones_like(strength, dtype=torch.bool),
            "angle": strength * (180 / math.pi) if parameter == "angle" else zero,
            "shear": zero,
            "scale": strength.exp() if parameter == "scale" else torch.ones_like(strength),
            "translate": torch.stack((strength * images.shape[3] if parameter == "shift" else zero, zero), 1),
        }
        return Affine().apply(images, params), strength

    return change


def _crop(images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """The central box, of whole pixels, so the strength is that of the box and not the one asked for."""
    height, width = images.shape[2:]
    shrink = (-strength.double()).exp()
    h, w = ((side * shrink).round().clamp(min=1).long() for side in (height, width))
    top, left = (height - h) // 2, (width - w) // 2
    on = torch.ones_like(strength, dtype=torch.bool)
    made = RandomResizedCrop().apply(images, {"box": torch.stack((top, left, h, w), 1), "on": on})
    return made, ((height / h).log() / 2 + (width / w).log() / 2).to(strength.dtype)


def _factor(adjust_: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def change(images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        own = images + 0 * strength[:, None, None, None]  # a copy that forward mode follows
        return adjust_(own, strength.exp()), strength

    return change


def _hue(images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    return adjust_hue_(images.clone(), strength), strength


def _all(images: Tensor) -> dict[str, Tensor]:
    return {"on": torch.ones(len(images), dtype=torch.bool, device=images.device)}


def _flip(images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    return HorizontalFlip().apply(images, _all(images)), strength


def _gray(images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    return gray(images).expand_as(images), strength


def _blur(images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    return GaussianBlur(kernel_size=5).apply(images, {**_all(images), "sigma": strength}), strength


CHANGES: dict[str, Change] = {
    "crop": Change(change=_crop, reach=0.7, unit="log(side / side of the box)", sided=True),
    "zoom": Change(change=_affine("scale"), reach=0.25, unit="log magnification"),
    "rotation": Change(change=_affine("angle"), reach=math.pi / 12, unit="radian"),
    "shift": Change(change=_affine("shift"), reach=0.125, unit="image width"),
    "flip": Change(change=_flip, reach=1.0, unit="on or off", switch=True),
    "brightness": Change(change=_factor(adjust_brightness_), reach=0.4, unit="log factor", smooth=True),
    "contrast": Change(change=_factor(adjust_contrast_), reach=0.4, unit="log factor", smooth=True),
    "saturation": Change(
        change=_factor(adjust_saturation_), reach=0.4, unit="log factor", smooth=True, colour=True
    ),
    "hue": Change(change=_hue, reach=0.1, unit="turn", colour=True),
    "gray": Change(change=_gray, reach=1.0, unit="on or off", switch=True, colour=True),
    "blur": Change(change=_blur, reach=1.0, unit="on or off (sigma 1 px)", switch=True),
}
"""Every operation by name: those of the usual policies, and rotation and shift."""


def find_change(name: str) -> Change:
    """The operation of this name.

    >>> find_change("rotatoin")
    Traceback (most recent call last):
    contrascope.errors.InputError: there is no operation 'rotatoin'. Did you mean 'rotation'?
    """
    if name not in CHANGES:
        raise InputError(f"there is no operation {name!r}. {did_you_mean(name, CHANGES)}")
    return CHANGES[name]


def changes_for(channels: int) -> tuple[str, ...]:
    """The operations that images of so many channels allow.

    >>> "hue" in changes_for(3), "hue" in changes_for(1)
    (True, False)
    """
    return tuple(name for name, one in CHANGES.items() if channels == 3 or not one.colour)


def strengths(name: str, ids: Ids, *, seed: int, epoch: int) -> Strength:
    """The strengths of an operation for these images: keyed, so the same images get the same ones.

    >>> strengths("flip", torch.arange(2), seed=0, epoch=0).tolist()
    [1.0, 1.0]
    """
    operation = find_change(name)
    if operation.switch:
        return torch.full(ids.shape, operation.reach, dtype=torch.float32, device=ids.device)
    place = list(CHANGES).index(name)
    unit = uniform(DrawKey(seed=seed, epoch=epoch, ids=ids, operation=place), 1)[:, 0]
    return operation.reach * (unit if operation.sided else 2 * unit - 1)


def moved_images(name: str, images: FloatImages, strength: Strength) -> tuple[FloatImages, Strength]:
    """The images changed by one operation, and the strengths that they really have; the input stays.

    >>> grey = torch.full((1, 1, 8, 8), 0.25)
    >>> round(moved_images("brightness", grey, torch.tensor([2.0]).log())[0].mean().item(), 4)
    0.5
    """
    return find_change(name).change(images, strength)
