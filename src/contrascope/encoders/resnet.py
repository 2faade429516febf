"""Residual networks with torchvision's parameter names, without the classifier."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from contrascope.errors import InputError
from contrascope.types import FloatImages

Stem = Literal["cifar", "imagenet"]
"""`cifar`: one 3x3 convolution of stride 1; `imagenet`: 7x7 of stride 2, then 3x3 max-pooling of stride 2."""

LAYERS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
"""Blocks per stage (He et al. 2016, table 1)."""


NARROW = 16
"""Channels below which oneDNN's 1x1 convolutions with a stride write past their workspace (issue 6035 there)."""

Maps = Float[Tensor, "batch width height column"]
OutMaps = Float[Tensor, "batch out_width out_height out_column"]


def _shortcut(in_width: int, out_width: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_width == out_width:
        return None
    kind = Pointwise if in_width < NARROW else nn.Conv2d
    return nn.Sequential(kind(in_width, out_width, 1, stride=stride, bias=False), nn.BatchNorm2d(out_width))


class Pointwise(nn.Conv2d):
    """A 1x1 convolution with a stride, as one without on the pixels that it looks at: the same sums.

    On a processor with AVX2 the weights' gradient of the other form, channels last and narrow, spoils memory.
    """

    def forward(self, maps: Maps) -> OutMaps:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, columns = self.stride
        return F.conv2d(maps[:, :, ::rows, ::columns], self.weight)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (ResNet-18 and -34)."""

    expansion = 1

    def __init__(self, in_width: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_width, width, stride)

    def forward(self, maps: Maps) -> OutMaps:
        kept = maps if self.downsample is None else self.downsample(maps)
        out = torch.relu(self.bn1(self.conv1(maps)))
        return torch.relu(self.bn2(self.conv2(out)) + kept)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (ResNet-50); the stride sits on the 3x3."""

    expansion = 4

    def __init__(self, in_width: int, width: int, *, stride: int) -> None:
        super().__init__()
        out_width = width * self.expansion
        self.conv1 = nn.Conv2d(in_width, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_width)
        self.downsample = _shortcut(in_width, out_width, stride)

    def forward(self, maps: Maps) -> OutMaps:
        kept = maps if self.downsample is None else self.downsample(maps)
        out = torch.relu(self.bn1(self.conv1(maps)))
        out = torch.relu(self.bn2(self.conv2(out)))
        return torch.relu(self.bn3(self.conv3(out)) + kept)


class ResNet(nn.Module):
    """ResNet up to and with the global average: output width 8 x `width`, times 4 with bottlenecks.

    The state dict has torchvision's keys without `fc.*`. Convolutions start as He et al. 2015 (fan-out),
    batch norms as the identity.

    >>> trunk = ResNet("resnet18", channels=3, stem="cifar")
    >>> sum(p.numel() for p in trunk.parameters()) + 64 * 3 * (49 - 9)  # with the ImageNet stem
    11176512
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, name: str, *, channels: int, stem: Stem, width: int = 64) -> None:
        super().__init__()
        block = Bottleneck if name == "resnet50" else BasicBlock
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)
        else:
            self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            self.maxpool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(width)
        in_width = width
        for stage, blocks in enumerate(LAYERS[name]):
            stage_width = width * 2**stage
            layers = []
            for index in range(blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(block(in_width, stage_width, stride=stride))
                in_width = stage_width * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: FloatImages) -> Float[Tensor, "batch dim"]:
        return self.maps(images).mean(dim=(2, 3))

    def maps(self, images: FloatImages) -> Float[Tensor, "batch dim rows columns"]:
        """The maps before the average."""
        maps = self.maxpool(torch.relu(self.bn1(self.conv1(images))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = stage(maps)
        return maps

    def load_torchvision(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of a torchvision ResNet of the same depth and stem; its `fc.*` is left out."""
        trunk = {key: value for key, value in state.items() if not key.startswith("fc.")}
        try:
            self.load_state_dict(trunk)
        except RuntimeError as error:
            raise InputError(
                f"these weights do not fit: {str(error).splitlines()[-1].strip()} "
                "Choose the depth and stem ('imagenet' for torchvision's weights) they were made for."
            ) from error
