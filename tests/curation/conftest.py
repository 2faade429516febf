"""Smooth pictures, as photographs are, and an encoder that costs nothing."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn


def smooth(count, *, seed=0, side=32, channels=3):
    coarse = torch.rand(count, channels, 5, 5, generator=torch.Generator().manual_seed(seed))
    made = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear", align_corners=False)
    return (made * 255).byte()


def saved_again(image, quality):
    held = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(held, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(held))).permute(2, 0, 1)


@pytest.fixture(scope="session")
def pictures():
    return smooth


@pytest.fixture(scope="session")
def again():
    return saved_again


@pytest.fixture
def encoder():
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten())


@pytest.fixture
def folder(tmp_path, pictures):
    """Twelve pictures in a folder."""
    made = tmp_path / "photos"
    made.mkdir()
    for place, image in enumerate(pictures(12)):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(made / f"{place:02d}.png")
    return made
