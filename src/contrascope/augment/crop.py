"""Operation (a): random resized crop."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from contrascope.augment.compiled import kernels_for, run
from contrascope.augment.op import (
    AbstractOp,
    Changed,
    Params,
    Shape,
    check_probability,
    check_range,
)
from contrascope.augment.resample import resample_columns, resample_rows, triangle_taps
from contrascope.draws import DrawKey, to_integers, to_uniform, words
from contrascope.errors import InputError
from contrascope.machine.constants import constant
from contrascope.settings import written_as
from contrascope.types import FloatImages

_TRIES = 10


@written_as("RandomResizedCrop")
@dataclass(frozen=True, kw_only=True)
class RandomResizedCrop(AbstractOp):
    """A box of random area and aspect ratio, resized bilinearly with antialiasing.

    Semantics of torchvision's class of this name: ten tries, then the largest central box of allowed ratio.

    >>> op = RandomResizedCrop(size=4, scale=(0.25, 0.25), ratio=(1.0, 1.0))
    >>> op.draw(DrawKey(seed=0, epoch=0, ids=torch.arange(1)), (3, 8, 8))["box"][:, 2:].tolist()
    [[4, 4]]
    """

    size: int | None = None
    """Side of the output in pixels; None keeps the input's height and width."""
    scale: tuple[float, float] = (0.08, 1.0)
    """Range of the box's area as a fraction of the image's, uniform."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of width / height, uniform in the logarithm."""
    p: float = 1.0
    """Probability; otherwise the whole image is resized."""

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_range("scale", self.scale, 0.0, 1.0)
        check_range("ratio", self.ratio, 1e-6, 1e6)
        if self.size is not None and self.size < 1:
            raise InputError(f"size is {self.size}; expected a side of at least 1 pixel, or None.")

    def output_shape(self, shape: Shape) -> Shape:
        return shape if self.size is None else (shape[0], self.size, self.size)

    def draw(self, key: DrawKey, shape: Shape) -> Params:
        """`box`: top, left, height, width in pixels; `on`."""
        _, height, width = shape
        random = words(key, 3 + 2 * _TRIES)
        unit = to_uniform(random).to(torch.float64)
        on = unit[:, 0] < self.p
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        area = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * unit[:, 3::2])
        ratio = (low + (high - low) * unit[:, 4::2]).exp()
        w, h = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
        fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
        try_index = fits.to(torch.int8).argmax(1, keepdim=True)
        found = fits.any(1)
        w, h = w.gather(1, try_index)[:, 0], h.gather(1, try_index)[:, 0]
        drawn = torch.stack(
            (to_integers(random[:, 1], height - h + 1), to_integers(random[:, 2], width - w + 1), h, w), 1
        )
        central = constant(_central_box(height, width, self.ratio), device=drawn.device)
        whole = constant((0, 0, height, width), device=drawn.device)
        box = torch.where(found[:, None], drawn, central)
        return {"box": torch.where(on[:, None], box, whole), "on": on}

    def apply(self, images: FloatImages, params: Params) -> Changed:
        source = torch.arange(len(images), device=images.device)
        return self.sample(images, source, params["box"], None)

    def sample(
        self,
        images: Tensor,
        source: Int[Tensor, " batch"],
        box: Int[Tensor, "batch 4"],
        flip: Bool[Tensor, " batch"] | None,
    ) -> Changed:
        """Crop, resize and mirror images[source] in one sampling; uint8 pixels are brought to [0, 1]."""
        _, height, width = images.shape[1:]
        _, out_height, out_width = self.output_shape((images.shape[1], height, width))
        _require_inside(box, height, width)
        top, left, h, w = box.unbind(1)
        index, weight = triangle_taps(left, w, full=width, out=out_width)
        if flip is not None:
            index = torch.where(flip[:, None], index.flip(2), index)
            weight = torch.where(flip[:, None], weight.flip(2), weight)
        row_index, row_weight = triangle_taps(top, h, full=height, out=out_height)
        if images.dtype == torch.uint8:
            row_weight = row_weight / 255
        kernels = kernels_for(images, row_weight)
        if kernels is not None:
            out = torch.empty(len(source), images.shape[1], out_height, out_width, dtype=torch.float32)
            taps = (row_index, row_weight, index, weight)
            run(kernels.resample, len(out), images, source, box, *taps, out)
            return out
        rows = resample_rows(images, source, (row_index, row_weight))
        return resample_columns(rows, (index, weight)).clamp_(0, 1)


def _require_inside(box: Tensor, height: int, width: int) -> None:
    if box.device.type != "cpu":  # where to look would wait for the device
        return
    ends = box[:, :2] + box[:, 2:]
    whole = torch.tensor((height, width))
    wrong = ((box[:, :2] < 0) | (box[:, 2:] < 1) | (ends > whole)).any(dim=1).nonzero()[:, 0]
    if len(wrong):
        first = int(wrong[0])
        raise InputError(
            f"the box of image {first} is {box[first].tolist()} (top, left, height, width) in an image of {height} x "
            f"{width} pixels; expected one of at least 1 pixel that lies inside."
        )


def _central_box(height: int, width: int, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w
