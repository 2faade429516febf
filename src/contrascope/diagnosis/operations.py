"""Views by one operation of known strength, and what a small change of the strength does to features."""

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
from contrascope.diagnosis.networks import NO_FORWARD_MODE
from contrascope.draws import DrawKey, uniform
from contrascope.errors import InputError, did_you_mean
from contrascope.types import FloatImages, Ids

Strength = Float[Tensor, " batch"]
"""How strongly each image is changed; 0 leaves it as it is."""


@dataclass(frozen=True, kw_only=True)
class Operation:
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


OPERATIONS: dict[str, Operation] = {
    "crop": Operation(change=_crop, reach=0.7, unit="log(side / side of the box)", sided=True),
    "zoom": Operation(change=_affine("scale"), reach=0.25, unit="log magnification"),
    "rotation": Operation(change=_affine("angle"), reach=math.pi / 12, unit="radian"),
    "shift": Operation(change=_affine("shift"), reach=0.125, unit="image width"),
    "flip": Operation(change=_flip, reach=1.0, unit="on or off", switch=True),
    "brightness": Operation(change=_factor(adjust_brightness_), reach=0.4, unit="log factor", smooth=True),
    "contrast": Operation(change=_factor(adjust_contrast_), reach=0.4, unit="log factor", smooth=True),
    "saturation": Operation(
        change=_factor(adjust_saturation_), reach=0.4, unit="log factor", smooth=True, colour=True
    ),
    "hue": Operation(change=_hue, reach=0.1, unit="turn", colour=True),
    "gray": Operation(change=_gray, reach=1.0, unit="on or off", switch=True, colour=True),
    "blur": Operation(change=_blur, reach=1.0, unit="on or off (sigma 1 px)", switch=True),
}
"""Every operation by name: those of the usual policies, and rotation and shift."""


def find_operation(name: str) -> Operation:
    """The operation of this name.

    >>> find_operation("rotatoin")
    Traceback (most recent call last):
    contrascope.errors.InputError: there is no operation 'rotatoin'. Did you mean 'rotation'?
    """
    if name not in OPERATIONS:
        raise InputError(f"there is no operation {name!r}. {did_you_mean(name, OPERATIONS)}")
    return OPERATIONS[name]


def operations_for(channels: int) -> tuple[str, ...]:
    """The operations that images of so many channels allow.

    >>> "hue" in operations_for(3), "hue" in operations_for(1)
    (True, False)
    """
    return tuple(name for name, one in OPERATIONS.items() if channels == 3 or not one.colour)


def strengths(name: str, ids: Ids, *, seed: int, epoch: int) -> Strength:
    """The strengths of an operation for these images: keyed, so the same images get the same ones.

    >>> strengths("flip", torch.arange(2), seed=0, epoch=0).tolist()
    [1.0, 1.0]
    """
    operation = find_operation(name)
    if operation.switch:
        return torch.full(ids.shape, operation.reach, device=ids.device)
    place = list(OPERATIONS).index(name)
    unit = uniform(DrawKey(seed=seed, epoch=epoch, ids=ids, operation=place), 1)[:, 0]
    return operation.reach * (unit if operation.sided else 2 * unit - 1)


def moved_images(name: str, images: FloatImages, strength: Strength) -> tuple[FloatImages, Strength]:
    """The images changed by one operation, and the strengths that they really have; the input stays.

    >>> grey = torch.full((1, 1, 8, 8), 0.25)
    >>> round(moved_images("brightness", grey, torch.tensor([2.0]).log())[0].mean().item(), 4)
    0.5
    """
    return find_operation(name).change(images, strength)


def forward_directions(
    encoder: Callable[[Tensor], Tensor], name: str, images: FloatImages
) -> Float[Tensor, "batch dim"] | None:
    """Derivative of the encoder's output in the strength at 0, exactly, by forward mode.

    None where the operation, or an operation of the encoder, has no forward-mode derivative.

    >>> rows = forward_directions(lambda x: x.flatten(1), "brightness", torch.full((1, 1, 1, 2), 0.5))
    >>> rows.tolist()
    [[0.5, 0.5]]
    """
    operation = find_operation(name)
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
