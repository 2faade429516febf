from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def noise(count: int, *, side: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")
    datasets.disable_progress_bars()


@pytest.fixture
def write_hub(tmp_path) -> Callable[..., Path]:
    """Writes a split in hub layout from pixels or bytes; more columns and their features may be given."""

    def write(images, split="train", *, features=None, folder="hub", image="img", **columns) -> Path:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        data = [item if isinstance(item, bytes) else encode(item) for item in images]
        rows = {image: [{"bytes": item, "path": f"{row}.png"} for row, item in enumerate(data)], **columns}
        table = datasets.Dataset.from_dict(rows)
        if features:
            table = table.cast(datasets.Features({image: datasets.Image(), **features}))
        table.to_parquet(root / f"{split}-00000-of-00001.parquet")
        return root

    return write


@pytest.fixture
def write_folder(tmp_path) -> Callable[..., Path]:
    """Writes files into a folder: a mapping from relative path to pixels or bytes."""

    def write(files: dict[str, np.ndarray | bytes], folder="pictures") -> Path:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        for name, item in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item if isinstance(item, bytes) else encode(item))
        return root

    return write


@pytest.fixture
def pictures():
    return noise


@pytest.fixture
def encoded():
    return encode
