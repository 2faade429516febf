"""Which bytes are a picture, and what damage does not matter."""

import struct
import sys
import types
import zlib

import made_pictures as made
import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from contrascope.data.convert import BadPixelsError, decode_image, encoded_shape
from contrascope.data.open import open_images
from contrascope.data.pictures import formats
from contrascope.data.settings import DataSettings

SIDE = Image.fromarray(made.noise()[:10])
KINDS = ["JPEG", "PNG", "WEBP", "AVIF"]


def plain(kind: str, **options) -> bytes:
    options |= {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind in ("JPEG", "AVIF") else {}
    return made.saved(SIDE, kind, **options)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_every_orientation_is_that_of_pillow(kind, turn):
    notes = Image.Exif()
    notes[0x0112] = turn
    data = plain(kind, exif=notes.tobytes())
    with Image.open(__import__("io").BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(decode_image(data), expected)
    assert encoded_shape(data) == expected.shape


TEXT = struct.pack("<HHI", 0x11A, 2, 4) + b"72\0\0"
FAR = struct.pack("<HHII", 0x9286, 7, 2**31, 2**31)
LOOP = struct.pack("<HHII", 0x8769, 4, 1, 8)
DAMAGE = {
    "text for a number": made.exif(6, entries=TEXT),
    "an entry beyond the end": made.exif(6, entries=FAR),
    "a directory within itself": made.exif(6, entries=LOOP),
    "more entries than there are": made.exif(6, count=65535),
    "the other order of bytes": made.exif(6, order=">", entries=TEXT[::-1]),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_damaged_notes_cost_no_pixels_and_the_orientation_that_can_be_read_is_kept(kind, damage):
    data = plain(kind)
    marked = (
        made.segment(data, b"Exif\0\0" + DAMAGE[damage])
        if kind == "JPEG"
        else data[:33] + made.chunk(b"eXIf", DAMAGE[damage]) + data[33:]
    )
    expected = np.rot90(decode_image(data), k=-1, axes=(1, 2))
    assert np.array_equal(decode_image(marked), expected)
    assert encoded_shape(marked) == expected.shape


@pytest.mark.parametrize("budget", [1024, 0], ids=["memory", "stream"])
def test_damaged_notes_are_read_by_one_rule_in_memory_and_in_streams(tmp_path, budget):
    data = plain("JPEG")
    (tmp_path / "a.jpg").write_bytes(made.segment(data, b"Exif\0\0" + DAMAGE["text for a number"]))
    (tmp_path / "b.jpg").write_bytes(made.saved(Image.fromarray(made.noise()[:, :10]), "JPEG"))
    images = open_images(DataSettings(source=str(tmp_path), memory_budget_mb=budget))
    assert images.shape == (3, 16, 10)
    assert np.array_equal(images.gather(images_ids(1))[0], np.rot90(decode_image(data), k=-1, axes=(1, 2)))


def images_ids(count):
    import torch

    return torch.arange(count)


LONG = zlib.compress(bytes(2**26))
PARTS = {
    "folded text": made.chunk(b"zTXt", b"a\0\0" + LONG),
    "folded international text": made.chunk(b"iTXt", b"a\0\1\0\0\0" + LONG),
    "a folded profile": made.chunk(b"iCCP", b"a\0\0" + LONG),
    "text with a wrong sum": made.chunk(b"tEXt", b"a\0b", crc=7),
    "a gamma of no length": made.chunk(b"gAMA", b""),
    "resolutions cut short": made.chunk(b"pHYs", b"\0"),
    "frames that are not there": made.chunk(b"acTL", struct.pack(">II", 2**31, 0)),
    "a part of no known kind": made.chunk(b"abCd", bytes(99)),
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_a_png_that_are_no_pixels_cost_none(part):
    pixels = made.noise()
    assert np.array_equal(decode_image(made.png(pixels, extra=PARTS[part])), pixels.transpose(2, 0, 1))


SEGMENTS = {
    "a profile": (0xE2, b"ICC_PROFILE\0\xff\xffdamaged"),
    "several pictures": (0xE2, b"MPF\0MM\0*\xff\xff\xff\xff"),
    "notes of a program": (0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\xff\xff\xff\xff"),
    "a comment": (0xFE, b"\xff\xd9" * 9),
}


@pytest.mark.parametrize("part", SEGMENTS)
def test_segments_of_a_jpeg_that_are_no_pixels_cost_none(part):
    mark, body = SEGMENTS[part]
    data = plain("JPEG")
    assert np.array_equal(decode_image(made.segment(data, body, mark=mark)), decode_image(data))


@pytest.mark.parametrize(
    "error",
    [
        OverflowError("too large"),
        struct.error("too short"),
        SyntaxError("no header"),
        MemoryError(),
        RecursionError("too deep"),
        KeyError("missing"),
        ZeroDivisionError("no side"),
        AssertionError(),
        NotImplementedError("later"),
        zlib.error("wrong sum"),
        EOFError("end"),
        UserWarning("odd"),
        Image.DecompressionBombError("bomb"),
        Image.DecompressionBombWarning("bomb"),
        UnidentifiedImageError("nothing"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_decoder_raises_is_a_bad_image(monkeypatch, error):
    def decoder(*_):
        raise error

    monkeypatch.setattr(formats, "_factory", lambda kind: decoder)
    for read in (decode_image, encoded_shape):
        with pytest.raises(BadPixelsError):
            read(plain("PNG"))


def test_what_is_no_error_of_a_picture_is_not_hidden(monkeypatch):
    def decoder(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(formats, "_factory", lambda kind: decoder)
    with pytest.raises(KeyboardInterrupt):
        decode_image(plain("PNG"))


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_heic_is_read_where_its_library_is_and_named_where_it_is_not(monkeypatch, brand):
    data = b"\0\0\0\x18ftyp" + brand + bytes(64)
    formats._factory.cache_clear()
    with pytest.raises(
        BadPixelsError, match=r"is HEIF, which needs pillow-heif: pip install 'contrascope\[heic\]'"
    ):
        decode_image(data)

    def register_heif_opener(**_):
        monkeypatch.setitem(Image.OPEN, "HEIF", (lambda file, name: Image.new("RGB", (2, 3), "red"), None))

    library = types.ModuleType("pillow_heif")
    library.register_heif_opener = register_heif_opener
    monkeypatch.setitem(sys.modules, "pillow_heif", library)
    assert decode_image(data).shape == (3, 3, 2)
    formats._factory.cache_clear()


@pytest.mark.parametrize("kind", ["ICO", "TGA", "SGI", "DDS", "PCX", "JPEG2000", "EPS"])
def test_formats_that_pillow_knows_and_that_are_not_named_are_refused(kind):
    with pytest.raises(BadPixelsError, match="is no image that Pillow can read as JPEG, PNG, WEBP"):
        decode_image(made.saved(SIDE, kind))
