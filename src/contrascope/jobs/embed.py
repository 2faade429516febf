"""Features of images by a run or an encoder, written to a file."""

from pathlib import Path

import torch

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.features.embed import embed
from contrascope.features.files import save_features
from contrascope.progress import Progress, silent
from contrascope.runs.load import as_trained, default_device
from contrascope.subjects.open import networks_of


def embed_to_file(
    name: str,
    data: DataSettings,
    out: Path,
    *,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Path:
    """Features of clean images by a run or an encoder, written whole to `out`."""
    images = open_images(as_trained(name, data))
    encoder, projector = networks_of(name, images.shape)
    features = embed(encoder, projector, images, device=device or default_device(), progress=progress)
    save_features(features, out)
    return out
