"""Settings of encoders and projectors; without torch."""

from dataclasses import dataclass
from typing import Literal

from contrascope.errors import InputError
from contrascope.settings import written_as

Pool = Literal["auto", "mean", "cls"]
"""How tokens become one vector: `auto` and `mean` average them all, `cls` takes the first."""


@written_as("EncoderSettings")
@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderSettings:
    """Which network turns images into h."""

    name: str = "resnet18"
    """resnet18/34/50, convnet, vit-tiny, timm:NAME, hf:NAME, torchvision:NAME or package.module:Object."""
    stem: Literal["auto", "cifar", "imagenet"] = "auto"
    """First layer of a ResNet; auto: cifar (stride 1, no pooling) up to 64 pixels a side, else imagenet."""
    width: int | None = None
    """Channels of the first stage (ResNets: 64, convnet: 32) or of a token (vit-tiny: 192); None: these."""
    patch: int | None = None
    """Patch side of vit-tiny; None: the largest divisor of the side, at most 16, that leaves 8 a side."""
    depth: int | None = None
    """Blocks of vit-tiny; None: 12."""
    heads: int | None = None
    """Attention heads of vit-tiny, which divide its width; None: 3."""
    pretrained: bool = False
    """Published weights, for timm:, hf: and torchvision: (downloaded by these libraries)."""
    weights: str | None = None
    """Weights to start a run from: a run, an export of ours, or a .safetensors or .pth file in the network's own names
    (those of torchvision and timm); tensors alone are read, and once, when the run begins."""
    train_last: int | None = None
    """Blocks that are trained, counted from the network's end, with what follows them; unset: all. What stands before
    stays as it was, its batch norm too. For weights to start from."""
    lora: int | None = None
    """Rank of adapters (LoRA, extra peft) that are trained in place of the weights; unset: none. They are merged into
    the weights wherever the run is opened. For weights to start from."""
    mean: tuple[float, ...] | None = None
    """Mean a channel, subtracted from images in [0, 1]; None: the weights' own, else ImageNet's or 0.5."""
    std: tuple[float, ...] | None = None
    """Standard deviation a channel to divide by; None: as for the mean."""
    resize: int | None = None
    """Side in pixels to which images are brought first, for networks made for one size."""
    pool: Pool = "auto"
    """Tokens to one vector: auto (a trained pooler if any, else the mean), mean, or cls (the first)."""
    gray: bool = False
    """Colour images are turned to gray ones of their lightness first, in training and whenever it is used."""

    def __post_init__(self) -> None:
        for name in ("train_last", "lora"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"encoder.{name} is {value}; expected 1 or more. Leave it out to train all.")
        if self.train_last is not None and self.lora is not None:
            raise InputError(
                "encoder.train_last and encoder.lora are both set, and each says what is trained. Choose one."
            )


def pretrained(name: str) -> bool:
    """Whether a name stands for published weights: timm:, hf:, torchvision:, but not package.module:Object.

    >>> pretrained("timm:resnet18"), pretrained("module:Net"), pretrained("convnet")
    (True, False, False)
    """
    return name.partition(":")[0] in ("timm", "hf", "torchvision") and ":" in name


def continues(settings: EncoderSettings) -> bool:
    """Whether an encoder starts from trained weights: of a run, an export, a file or a library.

    >>> continues(EncoderSettings()), continues(EncoderSettings(weights="runs/mine"))
    (False, True)
    """
    return settings.weights is not None or settings.pretrained


@written_as("ProjectorSettings")
@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectorSettings:
    """Width of every layer and where batch norm stands; no hidden layer makes a linear map."""

    hidden: tuple[int, ...] = (512,)
    """Widths of the hidden layers, each followed by the activation; empty: linear."""
    out: int = 128
    """Width of the output; 0, without hidden layers: none, what goes in comes out."""
    batch_norm: bool = False
    """Batch norm before the activation of every hidden layer."""
    batch_norm_out: bool = False
    """Batch norm, without learnt scale and shift, on the output."""
    bias: bool = True
    """A bias in linear layers that no batch norm follows."""
    activation: Literal["relu", "gelu", "tanh"] = "relu"
    """What follows every hidden layer; GELU is smooth, so that the projector has no affine pieces to count."""
    activation_out: bool = False
    """The activation on the output too, as the head of BERT and SimCSE has it."""

    def __post_init__(self) -> None:
        if (self.out < 1 and (self.out or self.hidden)) or any(width < 1 for width in self.hidden):
            raise InputError(
                f"projector widths must be at least 1; got hidden={self.hidden}, out={self.out}."
            )
