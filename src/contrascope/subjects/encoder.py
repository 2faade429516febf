"""The encoder that a suite measures, its random twin, and a store of features that are computed once."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.colour import gray
from contrascope.data.imageset import ImageSet
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, pretrained
from contrascope.errors import InputError
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.features.files import load_features, save_features
from contrascope.records.entry import R
from contrascope.records.typed import read_record
from contrascope.runs.load import default_device, image_shape, load_run, random_twin_of
from contrascope.settings import digest
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


def weights_hash(module: nn.Module) -> str:
    """The first 16 hex digits of SHA-256 over a network's layers and all its numbers.

    >>> weights_hash(nn.Flatten()) == weights_hash(nn.Flatten()) != weights_hash(nn.Identity())
    True
    """
    found = hashlib.sha256(str(module).encode())
    for name, values in sorted(module.state_dict().items()):
        found.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        found.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class FeatureStore:
    """Features by the hash of weights and images: what was embedded once is read the next time."""

    folder: Path | None
    """Where the files lie; None: nothing is kept."""

    def embed(self, module: nn.Module, images: ImageSet) -> Features:
        """Features h of the clean images; a damaged file is made anew."""
        if self.folder is None:
            return embed(module, None, images)
        key = [weights_hash(module), images.fingerprint, list(images.labels)]
        path = self.folder / f"{digest(key, length=24)}.safetensors"
        if path.is_file():
            try:
                return load_features(path)
            except InputError:
                path.unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        features = embed(module, None, images)
        save_features(features, path)
        return features


def continued(kind: type[R], out: Path | None, marks: dict[str, Any]) -> R | None:
    """The record at `out`, if it carries the same marks: settings, encoder and images."""
    if out is None or not out.is_file():
        return None
    found = read_record(kind, out).writable()
    return found if all(getattr(found, key) == value for key, value in marks.items()) else None
