"""The networks that a suite measures, and a store of features that are computed once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contrascope.augment.colour import gray
from contrascope.data.imageset import ImageSet
from contrascope.encoders.twin import weights_hash
from contrascope.errors import InputError
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.features.files import load_features, save_features
from contrascope.records.entry import R
from contrascope.records.typed import read_record
from contrascope.settings import digest
from contrascope.subjects.open import CHANNELS
from contrascope.subjects.subject import Subject
from contrascope.types import FloatImages

TRAINED, RANDOM = "trained encoder", "random encoder"
"""What tables call an encoder and its random twin."""

Say = Callable[[str], None]
"""Where a suite says how far it is."""


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


def networks_for_any_images(
    subject: Subject, *, references: bool, device: torch.device | str | None = None
) -> dict[str, nn.Module]:
    """The frozen encoder, and beside it its random twin where there is one and it is wanted, by their names in tables.

    They take gray and colour images. Raises `InputError` for arrays, which have no networks.
    """
    found = {TRAINED: subject.trained.encoder}
    if references and subject.twin is not None:
        found[RANDOM] = subject.twin.encoder
    shape, where = subject.origin.shape, subject.device(device)
    channels = CHANNELS if shape is None else shape[0]
    if subject.origin.kind != "model":  # somebody's loop keeps its modes; embedding sets them for itself
        for one in found.values():
            one.eval()
    return {name: AnyChannels(one, channels=channels).to(where) for name, one in found.items()}


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
