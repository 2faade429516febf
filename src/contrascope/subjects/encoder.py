"""The encoder that a suite measures, and its random twin."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.colour import gray
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, pretrained
from contrascope.errors import InputError
from contrascope.runs.load import default_device, image_shape, load_run, random_twin_of
from contrascope.types import FloatImages

SIDE = 224
"""Side of the images for an encoder that names none."""
RANDOM_SEED = 1_000_003
TRAINED, RANDOM = "trained encoder", "random encoder"
"""What tables call the two networks of a subject."""

Say = Callable[[str], None]
"""Where a suite says how far it is."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An encoder, one of the same shape with random weights, and what images they take."""

    name: str
    """How it was called."""
    encoder: nn.Module
    """The frozen encoder; it takes gray and colour images."""
    random: nn.Module
    """Its random twin."""
    side: int
    """Side of the images in px."""
    folder: Path | None
    """The run's folder, if it is a run."""

    def networks(self, *, references: bool) -> dict[str, nn.Module]:
        """The encoder, and beside it the random one if references are wanted, by their names in tables."""
        return {TRAINED: self.encoder} | ({RANDOM: self.random} if references else {})


class AnyChannels(nn.Module):
    """An encoder that takes gray and colour images: gray ones are repeated, colour ones become luma.

    >>> AnyChannels(nn.Flatten(), channels=3)(torch.ones(1, 1, 2, 2)).shape
    torch.Size([1, 12])
    """

    def __init__(self, encoder: nn.Module, *, channels: int) -> None:
        super().__init__()
        self.encoder, self.channels = encoder, channels

    def forward(self, images: FloatImages) -> Float[Tensor, "batch dim"]:
        came = images.shape[1]
        if came == self.channels:
            return self.encoder(images)
        if came == 1:
            return self.encoder(images.expand(-1, self.channels, -1, -1))
        if came == 3 and self.channels == 1:
            return self.encoder(gray(images))
        raise InputError(
            f"images have {came} channels and the encoder takes {self.channels}; "
            "only gray (1) and colour (3) are turned into each other."
        )


def open_subject(
    name: str,
    *,
    size: int | None = None,
    channels: int = 3,
    device: torch.device | str | None = None,
) -> Subject:
    """A run's newest encoder or an encoder by name, for images of side `size` (unset: its own, or 224)."""
    path = Path(name).expanduser()
    if path.is_file():
        raise InputError(
            f"{path} is a file; a suite embeds images itself: give a run's folder or an encoder's name."
        )
    if path.is_dir():
        run = load_run(path)
        shape = image_shape(path)
        side = min(shape[1:]) if size is None else size
        both, channels, folder = (run.encoder, random_twin_of(run).encoder), shape[0], path
    else:
        side, folder = SIDE if size is None else size, None
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(RANDOM_SEED)
            settings = EncoderSettings(name=name, pretrained=pretrained(name))
            trained = build_encoder(settings, channels=channels, size=side)
            both = trained, build_encoder(EncoderSettings(name=name), channels=channels, size=side)
    encoder, random = (
        AnyChannels(one.eval(), channels=channels).to(device or default_device()) for one in both
    )
    return Subject(name=name, encoder=encoder, random=random, side=side, folder=folder)
