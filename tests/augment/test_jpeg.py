from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from contrascope.augment.jpeg import jpeg, quality_table
from contrascope.errors import InputError


def photo(height, width, channels=3, seed=0):
    """A smooth picture with some grain: what JPEG was made for."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(2 * np.pi * (rng.uniform(0, 3) * x + rng.uniform(0, 3) * y)) for _ in range(channels)]
    values = 128 + 90 * np.stack(waves, axis=2) + rng.normal(0, 12, (height, width, channels))
    return values.clip(0, 255).astype(np.uint8)


def pillow(pixels, quality):
    file = BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(pixels.shape).astype(int)


def ours(pixels, quality):
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    return (jpeg(images, quality=quality)[0].permute(1, 2, 0) * 255).round().int().numpy()


@pytest.mark.parametrize("quality", [1, 40, 58, 80, 95])
@pytest.mark.parametrize("shape", [(32, 32, 3), (33, 45, 3), (32, 32, 1), (11, 9, 1)])
def test_it_agrees_with_the_files_that_pillow_writes(shape, quality):
    """But for coefficients near a half, which libjpeg's integer transform may round the other way."""
    pixels = photo(*shape)
    mine, theirs = ours(pixels, quality), pillow(pixels, quality)
    loss, other = np.abs(theirs - pixels.astype(int)).mean(), np.abs(mine - pixels.astype(int)).mean()
    assert np.abs(mine - theirs).mean() < 0.5 + 0.07 * loss
    assert np.abs((mine - theirs).mean(axis=(0, 1))).max() < 0.1
    assert np.median(np.abs(mine - theirs)) <= 1
    assert abs(other - loss) < 0.1 + 0.05 * loss


@pytest.mark.parametrize("side", [16, 33, 64])
def test_flat_colours_are_pillows_within_one_level(side):
    """The level shift, the colour matrices and the DC steps of both tables, with nothing to round but these."""
    for colour in ((0, 0, 0), (255, 255, 255), (200, 30, 90), (17, 140, 231)):
        pixels = np.broadcast_to(np.array(colour, dtype=np.uint8), (side, side, 3)).copy()
        for quality in (40, 58, 80):
            assert np.abs(ours(pixels, quality) - pillow(pixels, quality)).max() <= 1


def test_the_tables_are_those_that_pillow_writes():
    for quality in (10, 50, 75, 92):
        file = BytesIO()
        Image.fromarray(photo(16, 16)).save(file, "JPEG", quality=quality)
        tables = Image.open(file).quantization
        for number, chroma in ((0, False), (1, True)):
            assert quality_table(quality, chroma=chroma).flatten().int().tolist() == list(tables[number])


def test_a_lower_quality_is_farther_from_the_picture():
    pixels = photo(32, 32)
    errors = [np.abs(ours(pixels, quality) - pixels.astype(int)).mean() for quality in (95, 80, 40, 10)]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1] / 2


def test_a_picture_does_not_depend_on_its_batch():
    images = torch.rand(7, 3, 20, 12, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([jpeg(image[None], quality=50) for image in images])
    assert torch.equal(jpeg(images, quality=50), alone)


def test_other_qualities_and_channels_are_refused():
    with pytest.raises(InputError, match="quality is 0; expected an integer from 1"):
        jpeg(torch.rand(1, 3, 8, 8), quality=0)
    with pytest.raises(InputError, match="JPEG got 2 channels"):
        jpeg(torch.rand(1, 2, 8, 8), quality=50)
