"""What an operation is: numbers drawn for a batch, and the change they make."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contrascope.augment.settings import AnyOp
from contrascope.draws import DrawKey, uniform
from contrascope.errors import InputError
from contrascope.types import FloatImages

Params = dict[str, Tensor]
"""What was drawn for a batch: each tensor's first axis is the image."""

Changed = Float[Tensor, "batch channel out_height out_width"]
"""Images after an operation, which may have changed their size."""

Shape = tuple[int, int, int]
"""Channel, height, width of one image."""


class AbstractOp(AnyOp, ABC):
    """One random operation: `draw` never sees pixels, `apply` never draws."""

    commutes_with_flip: ClassVar[bool] = False
    """Whether mirroring before or after gives the same picture, so that a flip may move past it."""

    @abstractmethod
    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """Parameters of every image of the batch, among them `on`: whether it is changed."""

    @abstractmethod
    def apply(self, images: FloatImages, params: Params) -> Changed:
        """The images, in [0, 1], changed by the parameters; the input tensor stays as it is."""

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of an image after the operation."""
        return shape


def draw_switch(key: DrawKey, p: float) -> Bool[Tensor, " batch"]:
    """Whether the operation is on for each image: draw 0 of the operation's stream, below `p`."""
    return uniform(key, 1)[:, 0] < p


def select(params: Params, index: Tensor) -> Params:
    """The parameters of some of the images."""
    return {name: value.index_select(0, index) for name, value in params.items()}


def on_chosen(images: FloatImages, params: Params, change: Callable[[Tensor, Params], Tensor]) -> FloatImages:
    """Apply `change` to the images whose `on` is true, and to no other.

    Off the CPU all are computed and the others thrown away: to count who is on would wait for the device.
    """
    if images.device.type != "cpu":
        return on_all(images, params, change)
    chosen = params["on"].nonzero()[:, 0]
    if len(chosen) == 0:
        return images
    if len(chosen) == len(images):
        return change(images, params)
    return images.index_copy(0, chosen, change(images.index_select(0, chosen), select(params, chosen)))


def on_all(images: FloatImages, params: Params, change: Callable[[Tensor, Params], Tensor]) -> FloatImages:
    """What `on_chosen` gives, with shapes that no draw decides."""
    return torch.where(params["on"][:, None, None, None], change(images, params), images)


def check_range(name: str, value: tuple[float, float], low: float, high: float) -> None:
    """Refuse a range that is not low <= first <= second <= high."""
    if not low <= value[0] <= value[1] <= high:
        raise InputError(f"{name} is {value}; expected two numbers with {low} <= first <= second <= {high}.")


def check_probability(p: float) -> None:
    """Refuse a probability outside [0, 1]."""
    if not 0 <= p <= 1:
        raise InputError(f"p is {p}; expected a probability in [0, 1].")


def check_colour(channels: int, operation: str) -> None:
    """Refuse images that are neither gray nor RGB."""
    if channels not in (1, 3):
        raise InputError(
            f"{operation} got images with {channels} channels; expected 1 (gray) or 3 (RGB). "
            "Leave the colour operations (letters c and d) out of the policy."
        )
