"""Features of images by a run or an encoder, written to a file."""

from pathlib import Path

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.features.embed import embed
from contrascope.features.files import save_features
from contrascope.runs.load import as_trained, default_device
from contrascope.subjects.open import networks_of


def embed_to_file(name: str, data: DataSettings, out: Path) -> Path:
    """Features of clean images by a run or an encoder, written whole to `out`."""
    images = open_images(as_trained(name, data))
    encoder, projector = networks_of(name, images.shape)
    save_features(embed(encoder, projector, images, device=default_device()), out)
    return out
