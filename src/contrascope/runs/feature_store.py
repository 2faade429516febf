"""Features that are embedded once: kept by the hash of weights and images."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from contrascope.data.imageset import ImageSet
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.features.files import load_features, save_features
from contrascope.runs.store import kept
from contrascope.settings import digest


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
        return kept(
            self.folder / f"{digest(key, length=24)}.safetensors",
            read=load_features,
            make=lambda: embed(module, None, images),
            write=save_features,
        )
