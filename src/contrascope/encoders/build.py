"""From a name and its settings to an encoder."""

from torch import nn

from contrascope.encoders.convnet import ConvNet
from contrascope.encoders.encoder import Encoder, default_normalisation, refuse_colourless
from contrascope.encoders.foreign import Foreign, foreign_encoder
from contrascope.encoders.resnet import LAYERS, ResNet
from contrascope.encoders.settings import EncoderSettings, Pool
from contrascope.encoders.vit import VisionTransformer
from contrascope.errors import InputError, did_you_mean
from contrascope.precision import single_precision

BUILT_IN = (*LAYERS, "convnet", "vit-tiny")
"""Names that need no extra."""

SMALL = 64
"""Largest side in pixels for which `stem="auto"` takes the CIFAR stem."""


def _trunk(settings: EncoderSettings, *, channels: int, size: int) -> Foreign:
    name, width = settings.name, settings.width
    if ":" in name:
        return foreign_encoder(name, channels=channels, size=size, pretrained=settings.pretrained)
    if settings.pretrained:
        raise InputError(
            f"there are no published weights for {name!r} here; use 'torchvision:{name}' or 'timm:...'."
        )
    trunk: nn.Module
    if name in LAYERS:
        small = "cifar" if size <= SMALL else "imagenet"
        stem = small if settings.stem == "auto" else settings.stem
        trunk = ResNet(name, channels=channels, stem=stem, width=64 if width is None else width)
    elif name == "convnet":
        trunk = ConvNet(channels=channels, size=size, width=32 if width is None else width)
    elif name == "vit-tiny":
        dim = 192 if width is None else width
        depth, heads = settings.depth or 12, settings.heads or 3
        trunk = VisionTransformer(
            channels=channels, size=size, patch=settings.patch, dim=dim, depth=depth, heads=heads
        )
    else:
        raise InputError(
            f"there is no encoder {name!r}. {did_you_mean(name, BUILT_IN)} Others: timm:NAME, hf:NAME, "
            "torchvision:NAME, package.module:Object."
        )
    return Foreign(trunk=trunk)


@single_precision()
def build_encoder(settings: EncoderSettings, *, channels: int, size: int) -> Encoder:
    """The encoder for images of `channels` and side `size`; weights are drawn by torch's global generator.

    >>> build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8).dim
    32
    """
    if channels < 1 or size < 1 or (settings.width is not None and settings.width < 1):
        raise InputError(
            f"channels, size and width must be at least 1; got {channels}, {size} and {settings.width}."
        )
    if settings.gray:
        refuse_colourless(channels)
    side = size if settings.resize is None else settings.resize
    made = _trunk(settings, channels=channels, size=side)
    mean, std = default_normalisation(channels)
    mean = settings.mean or made.mean or mean
    std = settings.std or made.std or std
    if len(mean) != channels:
        raise InputError(f"mean and std need one number for each of the {channels} channels; got {mean}.")
    return wrap_encoder(
        made.trunk,
        size=size,
        mean=mean,
        std=std,
        resize=settings.resize,
        pool=settings.pool,
        gray=settings.gray,
    )


@single_precision()
def wrap_encoder(
    trunk: nn.Module,
    *,
    size: int,
    mean: tuple[float, ...] = (0.0, 0.0, 0.0),
    std: tuple[float, ...] = (1.0, 1.0, 1.0),
    resize: int | None = None,
    pool: Pool = "auto",
    gray: bool = False,
) -> Encoder:
    """Any module as an encoder; without `mean` and `std` it sees colour images in [0, 1] as they are.

    >>> from torch import nn
    >>> wrap_encoder(nn.Flatten(), size=2).dim
    12
    """
    return Encoder(trunk, size=size, mean=mean, std=std, resize=resize, pool=pool, gray=gray)
