"""Numbers of more than 8 bits: their range is found, said and the same for the whole set."""

import made_pictures as made
import numpy as np
import pytest
from PIL import Image

from contrascope.data.convert import BadPixelsError, decode_image
from contrascope.data.memory import images_from
from contrascope.data.open import open_images
from contrascope.data.pictures.reading import Reading
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError


def opened(source, **more):
    return open_images(DataSettings(source=str(source), **more))


def gray(values: np.ndarray) -> np.ndarray:
    return np.round(values / (4095 / 255)).astype(np.uint8)


TWELVE = made.noise(channels=1, top=4096, dtype=np.uint16)
TWELVE[0, 0] = 4095
COLOUR = made.noise(channels=3, top=4096, dtype=np.uint16)
COLOUR[0, 0] = 4095


@pytest.mark.parametrize(
    "data",
    [
        made.png(TWELVE, extra=made.chunk(b"sBIT", b"\x0c")),
        made.tiff(TWELVE[:, :, None], tags={281: (4095,)}),
        made.tiff(TWELVE[:, :, None], order=">", tags={281: (3900,)} | {280: (0,)}),
        made.tiff(TWELVE[:, :, None], tags={341: (4095,)}),
    ],
    ids=["PNG sBIT", "MaxSampleValue", "MaxSampleValue below its bits", "SMaxSampleValue"],
)
def test_a_single_file_that_says_its_range_is_read_by_it(data):
    assert np.array_equal(decode_image(data)[0], gray(TWELVE))


def test_a_tag_that_its_picture_exceeds_decides_nothing():
    damaged = made.tiff(TWELVE[:, :, None], tags={281: (255,)})
    assert np.array_equal(decode_image(damaged), decode_image(made.tiff(TWELVE[:, :, None])))
    assert np.array_equal(decode_image(damaged, reading=Reading(highest=4095))[0], gray(TWELVE))


@pytest.mark.parametrize("sbit", [10, 11, 14])
def test_other_significant_bits_of_png_are_taken_exactly(sbit):
    values = np.array([[0, 2**sbit - 1]], dtype=np.uint16)
    data = made.png(values, extra=made.chunk(b"sBIT", bytes([sbit])))
    assert decode_image(data)[0].tolist() == [[0, 255]]


def test_png_that_spreads_its_few_bits_over_the_range_is_read_over_the_range():
    values = np.array([[0, 4095 << 4 | 15]], dtype=np.uint16)
    assert decode_image(made.png(values, extra=made.chunk(b"sBIT", b"\x0c")))[0].tolist() == [[0, 255]]


@pytest.mark.parametrize("budget", [1024, 0], ids=["memory", "stream"])
@pytest.mark.parametrize(
    ("values", "kind"),
    [(TWELVE, "png"), (COLOUR, "png"), (TWELVE, "tiff"), (COLOUR, "tiff")],
    ids=["gray PNG", "colour PNG", "gray TIFF", "colour TIFF"],
)
def test_a_set_without_a_word_is_read_by_its_highest_number_and_says_so(tmp_path, values, kind, budget):
    dark = (values // 8).astype(np.uint16)
    for name, numbers in (("a", dark), ("b", values)):
        deep = numbers if numbers.ndim == 3 else numbers[:, :, None]
        data = (
            made.png(numbers)
            if kind == "png"
            else made.tiff(deep, tags={262: (2 if deep.shape[2] == 3 else 1,)})
        )
        (tmp_path / f"{name}.{kind}").write_bytes(data)
    images = opened(tmp_path, memory_budget_mb=budget)
    found = next(images.batches(np_ids(2), 2))[1].numpy()
    for place, numbers in enumerate((dark, values)):
        deep = numbers if numbers.ndim == 3 else numbers[:, :, None]
        assert np.array_equal(
            found[place], np.broadcast_to(gray(deep).transpose(2, 0, 1), found[place].shape)
        )
    assert "read as 12 bits: 4095 is white" in images.told[-1]


def np_ids(count):
    import torch

    return torch.arange(count)


@pytest.mark.parametrize(("top", "white"), [(200, 255), (1000, 1023), (16000, 16383), (65535, 65535)])
def test_arrays_of_16_bits_are_read_by_their_highest_number(tmp_path, top, white):
    values = np.array([[[0, top]], [[0, top // 2]]], dtype=np.uint16)
    np.save(tmp_path / "x.npy", values)
    found = opened(tmp_path / "x.npy").gather(np_ids(2)).numpy()
    assert np.array_equal(found[:, 0], np.round(values / (white / 255)).astype(np.uint8))
    same = images_from(values).gather(np_ids(2)).numpy()
    assert np.array_equal(same, found)


def test_bits_that_are_said_hold_for_every_set_and_what_exceeds_them_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[[0, 1000]]], dtype=np.uint16))
    assert opened(tmp_path / "x.npy", bits=12).gather(np_ids(1)).max() == round(1000 / (4095 / 255))
    with pytest.raises(
        InputError, match=r"values from 0 to 1000; integers are read as 0 to 511, by data.bits"
    ):
        opened(tmp_path / "x.npy", bits=9)
    with pytest.raises(InputError, match=r"data.bits is 17; expected 8 to 16"):
        DataSettings(bits=17)


def test_sixteen_bits_with_alpha_are_composited_over_white():
    values = np.array([[[4095, 65535], [0, 0]]], dtype=np.uint16)
    assert decode_image(made.png(values))[0].tolist() == [[16, 255]]
    colour = np.array([[[65535, 0, 0, 65535], [0, 0, 0, 0]]], dtype=np.uint16)
    assert decode_image(made.png(colour)).transpose(1, 2, 0).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_full_range_colour_keeps_the_pixels_that_it_had():
    values = made.noise(channels=3, top=65536, dtype=np.uint16)
    found = decode_image(made.png(values)).transpose(1, 2, 0)
    assert np.abs(found.astype(int) - values // 257).max() <= 1


def test_signed_and_wide_numbers_of_tiff_keep_to_the_range():
    fine = made.tiff(np.array([[[0], [257 * 9]]], dtype=np.int16))
    assert decode_image(fine)[0].tolist() == [[0, 9]]
    with pytest.raises(BadPixelsError, match="values from -4"):
        decode_image(made.tiff(np.array([[[-4], [9]]], dtype=np.int16)))
    with pytest.raises(BadPixelsError, match="to 70000"):
        decode_image(made.tiff(np.array([[[0], [70000]]], dtype=np.int32)))


def test_real_numbers_of_tiff_follow_the_highest_that_their_file_says():
    image = Image.fromarray(np.array([[0.0, 40.0]], dtype=np.float32))
    assert decode_image(made.saved(image, "TIFF", tiffinfo={341: 100.0}))[0].tolist() == [[0, 102]]


BANDS = made.noise(channels=13, top=4096, dtype=np.uint16)
BANDS[0, 0, 0] = 4095


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("planes", [False, True])
def test_tiff_of_thirteen_bands_is_read_by_choice(order, deflate, planes):
    data = made.tiff(BANDS, order=order, deflate=deflate, planes=planes)
    with pytest.raises(BadPixelsError, match=r"has 13 channels; expected 1 to 4, or a choice: data.channels"):
        decode_image(data)
    found = decode_image(data, reading=Reading(channels="3,2,1", highest=4095))
    assert np.array_equal(found, gray(BANDS[:, :, [3, 2, 1]].transpose(2, 0, 1)))
    assert decode_image(data, 8, Reading(channels="all", highest=4095)).shape == (13, 8, 8)


def test_a_missing_band_and_a_missing_part_are_told_apart():
    data = made.tiff(BANDS)
    with pytest.raises(BadPixelsError, match=r"has 13 channels, 0 to 12; data.channels asks for 13"):
        decode_image(data, reading=Reading(channels="13"))
    with pytest.raises(BadPixelsError, match="broken or truncated"):
        decode_image(data[:200], reading=Reading(channels="0"))
    with pytest.raises(BadPixelsError, match="compression 5; expected none or deflate"):
        decode_image(made.tiff(BANDS, tags={259: (5,)}), reading=Reading(channels="0"))


@pytest.mark.parametrize("shape", [(4, 8, 8, 6), (4, 6, 8, 8)], ids=["last", "first"])
def test_arrays_of_more_than_four_channels_are_read_by_choice(tmp_path, shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match=r"1 to 4 channels.*data\.channels"):
        opened(tmp_path / "x.npy")
    first = values.transpose(0, 3, 1, 2) if shape[3] == 6 else values
    assert np.array_equal(opened(tmp_path / "x.npy", channels="all").gather(np_ids(4)), first)
    assert np.array_equal(opened(tmp_path / "x.npy", channels="5,0").gather(np_ids(4)), first[:, [5, 0]])
    streamed = opened(tmp_path / "x.npy", channels="5,0", memory_budget_mb=0)
    assert np.array_equal(streamed.gather(np_ids(4)), first[:, [5, 0]])


def test_a_choice_of_channels_is_checked_when_it_is_made():
    for wrong in ("", "a", "0,,1", "-1", "0;1"):
        with pytest.raises(InputError, match=r"data.channels is .*; expected numbers from 0"):
            DataSettings(channels=wrong)


def test_other_ranges_and_channels_are_other_images(tmp_path):
    np.save(tmp_path / "x.npy", made.noise(channels=3, top=4096, dtype=np.uint16)[None])
    marks = {
        opened(tmp_path / "x.npy", **more).fingerprint
        for more in ({}, {"bits": 13}, {"bits": 16}, {"channels": "0"}, {"channels": "1"})
    }
    assert len(marks) == 5
