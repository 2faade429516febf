"""The operations of policies at rising strengths: name, unit, strengths, channels, and how each is made."""

from collections.abc import Callable
from dataclasses import dataclass

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter, Grayscale
from contrascope.augment.occlusion import Cutout
from contrascope.augment.op import AbstractOp
from contrascope.augment.warp import Affine


@dataclass(frozen=True, kw_only=True)
class PolicyOperation:
    """An operation of one number, its strength."""

    name: str
    """In words."""
    unit: str
    """How the strength is said: the largest that is drawn; empty where there is one level."""
    strengths: tuple[float, ...]
    """Rising; the last but one, or the only one, is in common use."""
    make: Callable[[float, float], AbstractOp]
    """From strength and probability."""
    p: float
    """The usual probability."""
    core: bool = True
    """Whether published policies for photographs have it."""
    mirrors: bool = False
    """Whether it exchanges left and right."""
    colour: bool = False
    """Whether it is made for 1 or 3 channels only."""


CATALOGUE = (
    PolicyOperation(
        name="crop",
        unit="hidden area {:g}",
        strengths=(0.4, 0.8, 0.92),
        make=lambda s, p: RandomResizedCrop(scale=(round(1 - s, 6), 1.0), p=p),
        p=1.0,
    ),
    PolicyOperation(
        name="flip",
        unit="",
        strengths=(1.0,),
        make=lambda s, p: HorizontalFlip(p=p),
        p=0.5,
        mirrors=True,
    ),
    PolicyOperation(
        name="affine",
        unit="{:g} degrees",
        strengths=(7.5, 15.0, 30.0),
        make=lambda s, p: Affine(
            degrees=s, shear=s, translate=round(s / 150, 6), scale=(1 - s / 100, 1 + s / 150), p=p
        ),
        p=0.9,
        core=False,
    ),
    PolicyOperation(
        name="brightness and contrast",
        unit="strength {:g}",
        strengths=(0.25, 0.5, 1.0),
        make=lambda s, p: ColorJitter(brightness=0.8 * s, contrast=0.8 * s, p=p),
        p=0.8,
        colour=True,
    ),
    PolicyOperation(
        name="hue and saturation",
        unit="strength {:g}",
        strengths=(0.25, 0.5, 1.0),
        make=lambda s, p: ColorJitter(saturation=0.8 * s, hue=0.2 * s, p=p),
        p=0.8,
        colour=True,
    ),
    PolicyOperation(
        name="colour dropping",
        unit="",
        strengths=(1.0,),
        make=lambda s, p: Grayscale(p=p),
        p=0.2,
        colour=True,
    ),
    PolicyOperation(
        name="blur",
        unit="sigma {:g} px",
        strengths=(0.5, 1.0, 2.0),
        make=lambda s, p: GaussianBlur(sigma=(0.1, s), p=p),
        p=0.5,
    ),
    PolicyOperation(
        name="cutout",
        unit="side {:g}",
        strengths=(0.25, 0.5),
        make=lambda s, p: Cutout(side=s, p=p),
        p=0.5,
        core=False,
    ),
)
"""Every operation, in the order in which a policy applies them."""


def operations_for(channels: int) -> tuple[PolicyOperation, ...]:
    """Those that images of so many channels can have.

    >>> [operation.name for operation in operations_for(4)]
    ['crop', 'flip', 'affine', 'blur', 'cutout']
    """
    return tuple(one for one in CATALOGUE if channels in (1, 3) or not one.colour)
