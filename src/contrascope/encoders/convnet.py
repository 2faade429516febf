"""A small residual convolutional network that a CPU trains in minutes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.types import FloatImages

Maps = Float[Tensor, "batch width height column"]
OutMaps = Float[Tensor, "batch out_width out_height out_column"]


class ConvUnit(nn.Module):
    """3x3 convolution, batch norm, ReLU; with `residual`, its input is added before the ReLU."""

    def __init__(self, in_width: int, out_width: int, *, stride: int = 1, residual: bool = False) -> None:
        super().__init__()
        kernel = max(3, 2 * stride - 1)
        self.conv = nn.Conv2d(in_width, out_width, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_width)
        self.residual = residual
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Maps) -> OutMaps:
        out = self.norm(self.conv(maps))
        return torch.relu(out + maps if self.residual else out)


class ConvNet(nn.Module):
    """Stages of `width`, 2, 4 and 8 times `width` channels and the global average: output width 8 x `width`.

    The stem brings the side to 16 (a stride of size/16, at most 4), since at small sides arithmetic and not
    memory sets the pace; two later stages halve it again. The two widest stages have a residual unit each.

    >>> ConvNet(channels=1, size=8, width=4)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 32])
    """

    def __init__(self, *, channels: int, size: int, width: int = 32) -> None:
        super().__init__()
        stem_stride = min(4, max(1, size // 16))
        self.units = nn.Sequential(
            ConvUnit(channels, width, stride=stem_stride),
            ConvUnit(width, 2 * width),
            ConvUnit(2 * width, 4 * width, stride=2),
            ConvUnit(4 * width, 4 * width, residual=True),
            ConvUnit(4 * width, 8 * width, stride=2),
            ConvUnit(8 * width, 8 * width, residual=True),
        )

    def forward(self, images: FloatImages) -> Float[Tensor, "batch dim"]:
        return self.maps(images).mean(dim=(2, 3))

    def maps(self, images: FloatImages) -> Float[Tensor, "batch dim rows columns"]:
        """The maps before the average."""
        return self.units(images)
