"""Operations that hide: cut-out and Gaussian noise."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contrascope.augment.op import (
    AbstractOp,
    Params,
    Shape,
    check_probability,
    check_range,
    draw_switch,
    on_chosen,
)
from contrascope.draws import DrawKey, normal, to_integers, words
from contrascope.machine.constants import constant
from contrascope.settings import written_as
from contrascope.types import FloatImages


@written_as("Cutout")
@dataclass(frozen=True, kw_only=True)
class Cutout(AbstractOp):
    """A square around a random pixel, cut off at the border, is filled.

    DeVries & Taylor 2017, arXiv:1708.04552.

    >>> box = torch.tensor([[0, 1, 1, 1]])
    >>> Cutout().apply(torch.ones(1, 1, 2, 2), {"on": torch.tensor([True]), "box": box}).tolist()
    [[[[1.0, 0.0], [1.0, 1.0]]]]
    """

    side: float = 0.5
    """Side of the square as a fraction of the image's shorter side, in [0, 1]."""
    fill: float = 0.0
    """The value put in, in [0, 1]."""
    p: float = 0.5
    """Probability."""

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_range("side", (self.side, self.side), 0.0, 1.0)
        check_range("fill", (self.fill, self.fill), 0.0, 1.0)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """`box`: top, left, height, width of what is hidden, inside the image; `on`."""
        sides = constant(shape[1:], device=key.ids.device)
        length = round(self.side * min(shape[1:]))
        start = to_integers(words(key, 2, start=1), sides) - length // 2
        stop = torch.minimum(start + length, sides)
        start = start.clamp(min=0)
        return {"on": draw_switch(key, self.p), "box": torch.cat((start, (stop - start).clamp(min=0)), 1)}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        return on_chosen(images, params, self._cut)

    def _cut(self, images: Tensor, params: Params) -> Tensor:
        box = params["box"][:, :, None]
        row, column = (torch.arange(side, device=images.device) for side in images.shape[2:])
        rows = (row >= box[:, 0]) & (row < box[:, 0] + box[:, 2])
        columns = (column >= box[:, 1]) & (column < box[:, 1] + box[:, 3])
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], self.fill)


@written_as("GaussianNoise")
@dataclass(frozen=True, kw_only=True)
class GaussianNoise(AbstractOp):
    """Independent normal noise added to every value, clamped to [0, 1]."""

    sigma: float = 0.1
    """Standard deviation on the scale where white is 1."""
    p: float = 0.5
    """Probability."""

    commutes_with_flip: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_range("sigma", (self.sigma, self.sigma), 0.0, 10.0)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """`noise` [batch channel height width] as it is added; `on`."""
        channels, height, width = shape
        noise = normal(key, channels * height * width, start=1).view(-1, *shape)
        return {"on": draw_switch(key, self.p), "noise": noise * self.sigma}

    def apply(self, images: FloatImages, params: Params) -> FloatImages:
        return on_chosen(images, params, lambda chosen, p: (chosen + p["noise"]).clamp_(0, 1))
