"""Features that are embedded once: kept by the hash of weights and images."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from contrascope.data.imageset import ImageSet
from contrascope.encoders.twin import weights_hash
from contrascope.features.embed import embed
from contrascope.features.features import Features
from contrascope.features.files import load_features, save_features
from contrascope.runs.store import kept
from contrascope.settings import digest


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
            self.folder.parent,
            f"{self.folder.name}/{digest(key, length=24)}.safetensors",
            read=lambda path: load_features(path, sealed=True),
            make=lambda: embed(module, None, images),
            write=save_features,
        )
