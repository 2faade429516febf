from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrascope.data.convert import BadPixelsError, convert_array, decode_image, encoded_shape, fit


def saved(image: Image.Image, kind="PNG", **options) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_half_transparent_red_over_white_is_pink():
    data = saved(Image.new("RGBA", (2, 2), (255, 0, 0, 128)))
    assert decode_image(data)[:, 1, 1].tolist() == [255, 127, 127]


def test_a_palette_is_looked_up_and_its_transparent_colour_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    assert decode_image(saved(image))[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]
    assert decode_image(saved(image, transparency=1))[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_gray_is_repeated_in_three_channels():
    assert decode_image(saved(Image.new("L", (1, 1), 77))).ravel().tolist() == [77, 77, 77]


def test_sixteen_bit_gray_is_divided_by_257():
    values = np.array([[0, 128, 129, 257 * 200, 65535]], dtype=np.uint16)
    assert decode_image(saved(Image.fromarray(values)))[0].tolist() == [[0, 0, 1, 200, 255]]


def test_noted_orientation_is_applied_also_to_the_shape():
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[0, 0] = 255
    data = saved(Image.fromarray(pixels), exif=exif)
    turned = decode_image(data)
    assert turned.shape == encoded_shape(data) == (3, 3, 2)
    assert turned[0, 0].tolist() == [0, 255]


def test_mixed_sizes_are_resized_by_the_shorter_side_and_cropped_in_the_middle():
    pixels = np.zeros((4, 12, 3), dtype=np.uint8)
    pixels[:, 4:8] = 255
    assert decode_image(saved(Image.fromarray(pixels)), 4).min() == 255
    expected = np.asarray(Image.fromarray(pixels).resize((6, 2), Image.Resampling.BICUBIC))[:, 2:4]
    assert np.array_equal(decode_image(saved(Image.fromarray(pixels)), 2), expected.transpose(2, 0, 1))


def test_a_checkerboard_shrinks_to_gray_and_does_not_alias():
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    small = np.asarray(fit(Image.fromarray(checks), 8))[1:-1, 1:-1].astype(int)
    assert abs(small - 127).max() <= 3


def test_an_extremely_long_picture_is_cut_before_it_is_resized():
    assert fit(Image.new("L", (20000, 1)), 64).size == (64, 64)


@pytest.mark.parametrize("data", [b"", b"no image at all"], ids=["empty", "text"])
def test_what_is_no_image_is_said_to_be_none(data):
    with pytest.raises(BadPixelsError, match="is no image that Pillow can read"):
        decode_image(data)
    with pytest.raises(BadPixelsError, match="is no image that Pillow can read"):
        encoded_shape(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_image_is_said_to_be_broken(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    data = saved(Image.fromarray(pixels), kind)
    with pytest.raises(BadPixelsError, match=r"broken or truncated|no image"):
        decode_image(data[: len(data) // 2])


def test_float_pictures_are_read_from_0_to_1_as_arrays_are():
    assert decode_image(saved(Image.new("F", (2, 2), 0.2), "TIFF")).ravel().tolist() == [51] * 12
    with pytest.raises(BadPixelsError, match=r"values from 7.5 to 7.5; floats are read as 0 to 1"):
        decode_image(saved(Image.new("F", (2, 2), 7.5), "TIFF"))


@settings(derandomize=True, deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000))
def test_arrays_of_every_type_become_the_same_bytes(seed):
    image = np.random.default_rng(seed).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    for same in (
        image.astype(np.uint16) * 257,
        image.astype(np.int64),
        image / 255.0,
        (image / 255).astype("f4"),
    ):
        assert np.array_equal(convert_array(same), image)


def test_truth_values_become_black_and_white():
    assert convert_array(np.array([[[True, False]]])).tolist() == [[[255, 0]]]


def test_a_second_or_fourth_channel_is_alpha():
    gray = np.array([[[100]], [[51]]], dtype=np.uint8)
    assert convert_array(gray).tolist() == [[[round(100 * 0.2 + 255 * 0.8)]]]
    assert convert_array(np.zeros((4, 2, 2), dtype=np.uint8)).tolist() == np.full((3, 2, 2), 255).tolist()


def test_arrays_are_resized_channel_by_channel():
    image = np.random.default_rng(0).integers(0, 256, (3, 8, 16), dtype=np.uint8)
    data = saved(Image.fromarray(image.transpose(1, 2, 0)))
    assert np.array_equal(convert_array(image, 4), decode_image(data, 4))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((1, 1, 1), 1.5), "floats are read as 0 to 1"),
        (np.full((1, 1, 1), np.nan), "floats are read as 0 to 1"),
        (np.full((1, 1, 1), -1), "integers are read as 0 to 255"),
        (np.full((1, 1, 1), 1j), "expected integers or floats"),
    ],
    ids=["above", "nan", "negative", "complex"],
)
def test_values_outside_the_range_are_refused(values, message):
    with pytest.raises(BadPixelsError, match=message):
        convert_array(values)
