import colorsys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.augment.colour import (
    adjust_brightness_,
    adjust_contrast_,
    adjust_hue_,
    adjust_saturation_,
    gray,
    image_mean,
)

ADJUST = {
    "brightness": adjust_brightness_,
    "contrast": adjust_contrast_,
    "saturation": adjust_saturation_,
    "hue": adjust_hue_,
}


@pytest.mark.parametrize("name", ADJUST)
@pytest.mark.parametrize("shape", [(3, 13, 22), (1, 9, 9), (3, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_an_adjustment_equals_torchvisions(tv, pictures, name, shape, dtype):
    images = pictures(20, *shape, dtype=dtype)
    factor = torch.linspace(-0.5, 0.5, 20) if name == "hue" else torch.linspace(0, 2, 20)
    scale = 255 if dtype == torch.uint8 else 1
    ours = ADJUST[name](images.float() / scale, factor)
    theirs = getattr(tv.functional, f"adjust_{name}")
    for image, one, got in zip(images, factor.tolist(), ours, strict=True):
        expected = theirs(image, one).float() / scale
        # of bytes torchvision floors the result, and before that the gray with which it blends
        floored_gray = abs(1 - one) if name in ("contrast", "saturation") else 0.0
        assert (got - expected).abs().max() <= ((1.01 + floored_gray) / 255 if dtype == torch.uint8 else 2e-6)
        assert (got - theirs(image.float() / scale, one)).abs().max() <= 2e-6


def test_gray_equals_torchvisions(tv, pictures):
    images = pictures(4, 3, 8, 8)
    assert (gray(images) - tv.functional.rgb_to_grayscale(images)).abs().max() < 1e-6


@settings(derandomize=True, deadline=None, max_examples=15)
@given(pixel=st.tuples(*[st.floats(0, 1, width=32)] * 3), shift=st.floats(-0.5, 0.5, width=32))
def test_hue_is_what_python_itself_computes(pixel, shift):
    h, s, v = colorsys.rgb_to_hsv(*pixel)
    expected = torch.tensor(colorsys.hsv_to_rgb((h + shift) % 1, s, v))
    got = adjust_hue_(torch.tensor(pixel).view(1, 3, 1, 1), torch.tensor([shift]))
    assert torch.allclose(got.flatten(), expected.float(), atol=3e-6)


def test_opposite_hue_shifts_cancel(pictures):
    images, shift = pictures(5, 3, 6, 6), torch.tensor([0.1, -0.2, 0.3, 0.45, 0.0])
    there = adjust_hue_(images.clone(), shift)
    assert (there - images)[:4].abs().max() > 0.05
    assert torch.allclose(adjust_hue_(there, -shift), images, atol=1e-5)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(height=st.integers(1, 30), width=st.integers(1, 30))
def test_the_mean_of_an_image_is_the_mean_in_float64(height, width):
    images = torch.rand(3, 1, height, width, generator=torch.Generator().manual_seed(height * 31 + width))
    expected = images.double().mean(dim=(2, 3)).float()
    assert torch.allclose(image_mean(images).flatten(1), expected, atol=1e-6)
