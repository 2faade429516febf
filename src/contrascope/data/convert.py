"""From any stored picture to 8-bit pixels, by one stated rule.

Files become RGB: gray is repeated three times; palettes are looked up; alpha is composited over white; numbers of
more than 8 bits are brought to bytes by their range (`Reading.white`); the orientation that a camera noted is
applied. Arrays keep their one or three channels; a second or fourth one is alpha. Where channels are chosen, they
are kept as they are, and there is no alpha.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from contrascope.data.pictures.bands import BandLayout, many_bands, read_bands
from contrascope.data.pictures.deep import deep_values, is_deep, to_bytes
from contrascope.data.pictures.formats import opened, turned
from contrascope.data.pictures.reading import DECODING_ERRORS, BadPixelsError, Reading
from contrascope.data.pictures.stripped import Stripped

MAX_ASPECT = 32
"""Longer pictures lose their ends before resizing, which the centre crop cuts off anyway: bounds memory."""

STRIP = 2**22
"""Pixels that are composited over white at a time: bounds memory."""

PLAIN = Reading()
"""Nothing chosen, nothing known of the set."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(
    data: bytes, size: int | None = None, reading: Reading = PLAIN
) -> UInt8[np.ndarray, "channel height width"]:
    """RGB pixels of an encoded picture, brought to a `size` x `size` square if a size is given.

    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(file, "PNG")
    >>> decode_image(file.getvalue())[:, 0, 0].tolist()
    [255, 255, 255]
    """
    layout = many_bands(data)
    if layout is not None:
        return convert_array(_read_bands(data, layout, reading), size, reading)
    with opened(data, reading) as (image, plain):
        shown = _from_deep(image, plain, reading) if is_deep(image) else image
        turn = _TURNS.get(turned(image, plain))
        upright = shown if turn is None else shown.transpose(turn)
        pixels = np.asarray(fit(to_rgb(upright), size)).transpose(2, 0, 1)
    return np.ascontiguousarray(pixels if reading.channels is None else pixels[reading.chosen(3)])


def encoded_shape(data: bytes, reading: Reading = PLAIN) -> tuple[int, int, int]:
    """Shape of `decode_image(data)`, from the header alone."""
    layout = many_bands(data)
    if layout is not None:
        return len(_kept(layout.samples, reading)), layout.height, layout.width
    with opened(data, reading) as (image, plain):
        width, height = image.size
        if turned(image, plain) >= 5:
            width, height = height, width
    return len(reading.chosen(3)), height, width


class Depth(NamedTuple):
    """The range of a picture whose numbers have more than 8 bits."""

    highest: int | None
    """Its highest number; None where its file says what white is."""
    said: float | int | None
    """What its file says is white."""


def depth_of(data: bytes, reading: Reading = PLAIN) -> Depth | None:
    """The range of a picture of whole numbers with more than 8 bits; None for all others, which are not decoded."""
    layout = many_bands(data)
    if layout is not None:
        if layout.dtype.kind not in "ui" or layout.dtype.itemsize == 1:
            return None
        return Depth(int(_read_bands(data, layout, reading).max()), None)
    with opened(data, reading) as (image, plain):
        if not is_deep(image) or image.mode == "F":
            return None
        values, tag = deep_values(image, plain)
        highest = int(values.max())
        said = tag is not None and highest <= tag
        # PNG's own word holds only where the set keeps to it: the highest is asked for all the same.
        return Depth(None if said and image.format != "PNG" else highest, tag if said else None)


def _read_bands(
    data: bytes, layout: BandLayout, reading: Reading
) -> Shaped[np.ndarray, "channel height width"]:
    _kept(layout.samples, reading)
    try:
        return read_bands(data, layout, reading)
    except BadPixelsError:
        raise
    except DECODING_ERRORS as error:
        raise BadPixelsError(f"is broken or truncated ({error})") from error


def _kept(count: int, reading: Reading) -> list[int]:
    """The channels to keep; BadPixelsError for more than four of which none is chosen."""
    if reading.channels is None and count > 4:
        raise BadPixelsError(
            f"has {count} channels; expected 1 to 4, or a choice: data.channels, for example 0,1,2 or all"
        )
    return reading.chosen(count)


def _from_deep(image: Image.Image, plain: Stripped, reading: Reading) -> Image.Image:
    """A picture of more than 8 bits as one of 8."""
    values, tag = deep_values(image, plain)
    if image.format == "PNG" and tag is not None and (reading.highest or 0) > tag:
        tag = 65535  # as PNG asks: the few bits are spread over the whole range
    return Image.fromarray(to_bytes(values, reading, tag=tag))


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB, alpha over white.

    >>> to_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if not image.has_transparency_data:
        return image.convert("RGB")
    shown = Image.new("RGB", image.size)
    rows = max(1, STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        strip = (
            image
            if rows >= image.height
            else image.crop((0, top, image.width, min(image.height, top + rows)))
        )
        white = Image.new("RGBA", strip.size, "white")
        white.alpha_composite(strip.convert("RGBA"))
        shown.paste(white.convert("RGB"), (0, top))
    return shown


def fit(image: Image.Image, size: int | None) -> Image.Image:
    """Shorter side resized to `size` (bicubic, antialiased), then the centre square; as it is without a size.

    >>> fit(Image.new("L", (40, 20)), 8).size
    (8, 8)
    """
    if size is None or image.size == (size, size):
        return image
    width, height = image.size
    longest = MAX_ASPECT * min(width, height)
    if max(width, height) > longest:
        image = _centre(image, min(width, longest), min(height, longest))
        width, height = image.size
    scale = size / min(width, height)
    wide, high = max(size, round(width * scale)), max(size, round(height * scale))
    return _centre(image.resize((wide, high), Image.Resampling.BICUBIC), size, size)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def convert_array(
    pixels: Shaped[np.ndarray, "channel height width"], size: int | None = None, reading: Reading = PLAIN
) -> UInt8[np.ndarray, "kept out_height out_width"]:
    """One image of an array as bytes, with one channel or three, or with those that are chosen.

    8-bit as it is; whole numbers above by `reading.white`; true and false 255 and 0; floats from 0 to 1 times
    255, rounded.

    >>> convert_array(np.array([[[0.0, 0.2, 1.0]]])).tolist()
    [[[0, 51, 255]]]
    """
    kept = _kept(len(pixels), reading)
    reading.check_size(pixels.shape[2], pixels.shape[1])
    values = to_bytes(pixels if reading.channels is None else pixels[kept], reading)
    values = _over_white(values) if reading.channels is None else values
    if size is None or values.shape[1:] == (size, size):
        return values
    return np.stack([np.asarray(fit(Image.fromarray(channel), size)) for channel in values])


def _over_white(values: UInt8[np.ndarray, "channel height width"]) -> UInt8[np.ndarray, "kept height width"]:
    if len(values) in (1, 3):
        return values
    alpha = values[-1:].astype(np.float64) / 255
    return np.round(values[:-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
