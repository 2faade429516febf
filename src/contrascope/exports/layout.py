"""What an export of weights consists of: tensors under the names of a library, and how to load them there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.encoders.encoder import Encoder
from contrascope.encoders.lightness import DARK, LINE, LUMINANCE
from contrascope.errors import InputError
from contrascope.exports.blueprint import Blueprint
from contrascope.features.embed import evaluating
from contrascope.types import FloatImages


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Weights in the form of one library."""

    library: str
    """Name of the library, as the hub writes it."""
    tensors: dict[str, Tensor]
    """What model.safetensors holds."""
    code: str
    """Python that loads the folder it stands in and turns `images`, in [0, 1], into `h`."""
    build: Callable[[dict[str, Tensor]], nn.Module]
    """From tensors to the library's own model, which takes normalised images to h; needs the library."""
    config: dict[str, Any] = field(default_factory=dict)
    """What config.json holds; empty where the library has none for this network."""
    remark: str = ""
    """What the user must do or know besides."""
    names: dict[str, str] = field(default_factory=dict)
    """What a tensor of our network is called there, where it has another name."""
    file: str = ""
    """Python that holds the network itself; empty where the library has it."""


GRAY_CODE = f"""\
light = torch.where(images <= {DARK}, images / {LINE}, ((images.clamp_min({DARK}) + 0.055) / 1.055) ** 2.4)
shares = torch.tensor({[share / sum(LUMINANCE) for share in LUMINANCE]})
light = (light * shares.view(-1, 1, 1)).sum(1, keepdim=True)
images = torch.where(light <= {DARK} / {LINE}, light * {LINE}, 1.055 * light ** (1 / 2.4) - 0.055)
images = images.expand(-1, 3, -1, -1)"""
"""Python that does what an encoder with `gray` does first."""
GRAY_REMARK = (
    "This network was trained on lightness alone: its images are turned to gray first, as the lines above do. The "
    "files of the library cannot say so; colour images that are not turned to gray give other features."
)
"""What whoever uses the network without its encoder has to know."""


def normalising_code(made: Blueprint) -> str:
    """Lines of Python that bring `images` to the form that the network itself takes.

    >>> from contrascope.encoders.build import EncoderSettings
    >>> settings = EncoderSettings(mean=(0.5,), std=(0.25,))
    >>> print(normalising_code(Blueprint(settings=settings, channels=1, size=8)))
    mean, std = torch.tensor([0.5]).view(-1, 1, 1), torch.tensor([0.25]).view(-1, 1, 1)
    images = (images - mean) / std
    """
    settings = made.settings
    mean, std = (f"torch.tensor({list(part or ())}).view(-1, 1, 1)" for part in (settings.mean, settings.std))
    lines = [f"mean, std = {mean}, {std}", "images = (images - mean) / std"]
    if settings.resize is not None:
        size = f"size=({settings.resize}, {settings.resize})"
        call = f'torch.nn.functional.interpolate(images, {size}, mode="bilinear", antialias=True)'
        lines.insert(0, f"images = {call}")
    if settings.gray:
        lines.insert(0, GRAY_CODE)
    return "\n".join(lines)


def normalised(encoder: Encoder, images: FloatImages) -> Float[Tensor, "batch channel rows columns"]:
    """Images as the encoder hands them to its network."""
    return encoder.prepared(images).contiguous()


def encoded(network: nn.Module, images: FloatImages, *, batch_size: int = 64) -> Float[Tensor, "batch dim"]:
    """Outputs of a network in evaluation mode, float64."""
    with evaluating(network):
        return torch.cat([network(part).double() for part in images.split(batch_size)])


def require_same(
    expected: Float[Tensor, "n dim"], found: Float[Tensor, "n other"], *, tolerance: float, what: str
) -> float:
    """Largest difference of two outputs; refuses one above `tolerance` times the largest output, at least 1.

    >>> require_same(torch.tensor([[1.0]]), torch.tensor([[1.5]]), tolerance=1.0, what="model")
    0.5
    """
    if expected.shape != found.shape:
        raise InputError(
            f"the {what} gives outputs of shape {tuple(found.shape)}, the encoder {tuple(expected.shape)}; "
            "nothing was written. Export safetensors, which holds the encoder as it is."
        )
    difference = float((expected - found).abs().max())
    most = tolerance * max(1.0, float(expected.abs().max()))
    if not difference <= most:
        raise InputError(
            f"the {what} differs from the encoder by {difference:.3g}, more than {most:.3g}; nothing was written. "
            "Export safetensors, which holds the encoder as it is."
        )
    return difference
