import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from contrascope.augment.corrupt import Corruption, pixelate
from contrascope.augment.policy import Policy
from contrascope.augment.severities import SEVERITIES
from contrascope.augment.views import make_views
from contrascope.errors import InputError

each = pytest.mark.parametrize("name", SEVERITIES)


def pictures(count, side=32, channels=3, seed=0):
    source = torch.Generator().manual_seed(seed)
    small = torch.rand(count, channels, 6, 6, generator=source)
    large = torch.nn.functional.interpolate(small, size=(side, side), mode="bilinear")
    return (large * 255).round().to(torch.uint8)


def corrupted(images, name, severity, *, ids=None, seed=0, epoch=0):
    ids = torch.arange(len(images)) if ids is None else ids
    one = Policy(ops=(Corruption(name=name, severity=severity),))
    views, _ = make_views(images, one, ids=ids, seed=seed, epoch=epoch, num_views=1)
    return views[0]


@each
def test_each_severity_is_worse_than_the_one_before(name):
    images = pictures(8)
    errors = [(corrupted(images, name, s) - images / 255).square().mean().item() for s in range(1, 6)]
    assert errors == sorted(errors)
    assert errors[0] > 0


@each
@settings(derandomize=True, deadline=None, max_examples=4)
@given(seed=st.integers(0, 99), severity=st.integers(1, 5), side=st.sampled_from([8, 17, 32]))
def test_a_picture_is_a_function_of_its_id_alone_and_made_of_bytes(name, seed, severity, side):
    images = pictures(6, side=side, seed=seed)
    ids = torch.tensor([40, 3, 7, 7, 1, 0])
    whole = corrupted(images, name, severity, ids=ids, seed=seed)
    part = corrupted(images[[4, 1]], name, severity, ids=ids[[4, 1]], seed=seed)
    assert torch.equal(whole[[4, 1]], part)
    assert whole.shape == images.shape
    assert torch.equal((whole * 255).round().clamp(0, 255) / 255, whole)


def test_noise_has_the_stated_deviation_and_changes_with_seed_and_epoch():
    images = torch.full((4, 3, 32, 32), 128, dtype=torch.uint8)
    noisy = corrupted(images, "noise", 5)
    assert (noisy - 128 / 255).std().item() == pytest.approx(0.1, rel=0.03)
    assert not torch.equal(noisy, corrupted(images, "noise", 5, seed=1))
    assert not torch.equal(noisy, corrupted(images, "noise", 5, epoch=1))
    assert not torch.equal(noisy[0], noisy[1])


def test_blur_is_scipys_gaussian_with_a_mirrored_border():
    images = pictures(2)
    for severity, sigma in enumerate(SEVERITIES["blur"], start=1):
        ours = corrupted(images, "blur", severity).numpy()
        filtered = gaussian_filter(
            images.numpy() / 255, sigma=(0, 0, sigma, sigma), mode="mirror", truncate=4
        )
        assert np.abs(ours - filtered).max() < 0.6 / 255


def test_blur_grows_with_the_side():
    spot = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    spot[0, 0, 32, 32] = 255
    sigma = 2 * SEVERITIES["blur"][4]
    centre = corrupted(spot, "blur", 5)[0, 0, 32, 32].item()
    assert centre == pytest.approx(1 / (2 * np.pi * sigma**2), abs=1 / 255)


def test_brightness_lifts_the_value_of_hsv():
    images = pictures(1, side=5)
    ours = corrupted(images, "brightness", 4)[0]
    for row in range(5):
        for column in range(5):
            hue, saturation, value = colorsys.rgb_to_hsv(*(images[0, :, row, column] / 255).tolist())
            expected = colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.2))
            assert ours[:, row, column].tolist() == pytest.approx(expected, abs=0.51 / 255)


def test_contrast_draws_each_channel_to_its_mean():
    images = pictures(2)
    values = images.double() / 255
    mean = values.mean(dim=(2, 3), keepdim=True)
    ours = corrupted(images, "contrast", 5)
    assert (ours - (mean + 0.15 * (values - mean))).abs().max() < 0.51 / 255


@pytest.mark.parametrize("side", [8, 17, 32, 45])
@pytest.mark.parametrize("share", SEVERITIES["pixelate"])
def test_pixelation_is_pillows_box_filter_to_the_bit(side, share):
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    small = (int(side * share), int(side * share))
    theirs = np.asarray(
        Image.fromarray(pixels).resize(small, Image.Resampling.BOX).resize((side, side), Image.Resampling.BOX)
    )
    ours = pixelate(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255, share=share)
    assert np.array_equal((ours[0].permute(1, 2, 0) * 255).round().numpy(), theirs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "jpg", "severity": 1}, "no corruption 'jpg'. Did you mean 'jpeg'?"),
        ({"name": "jpeg", "severity": 6}, "severity is 6; expected 1, 2, 3, 4 or 5"),
    ],
)
def test_an_unknown_corruption_or_severity_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Corruption(**arguments)


def test_a_share_of_nothing_is_refused():
    with pytest.raises(InputError, match="share is 0"):
        pixelate(torch.rand(1, 1, 4, 4), share=0.0)
