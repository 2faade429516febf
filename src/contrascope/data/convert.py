"""From any stored picture to 8-bit pixels, by one stated rule.

Files become RGB: gray is repeated three times; palettes are looked up; alpha is composited over white; 16-bit
gray is divided by 257 and rounded (Pillow itself gives the high byte of 16-bit colour); the orientation that
a camera noted is applied. Arrays keep their one or three channels; a second or fourth one is alpha.
"""

import struct
import zlib
from io import BytesIO

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_ASPECT = 32
"""Longer pictures lose their ends before resizing, which the centre crop cuts off anyway: bounds memory."""

_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class BadPixelsError(ValueError):
    """A picture that cannot be read; the text says why. The opener names the file."""


def decode_image(data: bytes, size: int | None = None) -> UInt8[np.ndarray, "3 height width"]:
    """RGB pixels of an encoded picture, brought to a `size` x `size` square if a size is given.

    >>> file = BytesIO()
    >>> Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(file, "PNG")
    >>> decode_image(file.getvalue())[:, 0, 0].tolist()
    [255, 255, 255]
    """
    try:
        with Image.open(BytesIO(data)) as image:
            upright = ImageOps.exif_transpose(image) if "exif" in image.info else image
            pixels = np.asarray(fit(to_rgb(upright), size))
    except BadPixelsError:
        raise
    except _UNREADABLE as error:
        raise BadPixelsError(_reason(error)) from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def encoded_shape(data: bytes) -> tuple[int, int, int]:
    """Shape of `decode_image(data)`, from the header alone."""
    try:
        with Image.open(BytesIO(data)) as image:
            width, height = image.size
            if "exif" in image.info and image.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
    except _UNREADABLE as error:
        raise BadPixelsError(_reason(error)) from error
    return 3, height, width


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "is no image that Pillow can read"
    return f"is broken or truncated ({error})"


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB: alpha over white, 16-bit gray divided by 257.

    >>> to_rgb(Image.fromarray(np.full((1, 1), 257 * 9, dtype=np.uint16))).getpixel((0, 0))
    (9, 9, 9)
    """
    if image.mode.startswith("I"):
        return Image.fromarray(_to_bytes(np.asarray(image).clip(0, 65535).astype(np.uint16))).convert("RGB")
    if image.mode == "F":
        raise BadPixelsError("holds 32-bit float pixels, whose range is unknown")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    return image.convert("RGB")


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
    pixels: Shaped[np.ndarray, "channel height width"], size: int | None = None
) -> UInt8[np.ndarray, "kept out_height out_width"]:
    """One image of an array as bytes, with one channel or three.

    8-bit as it is; 16-bit divided by 257; true and false 255 and 0; floats from 0 to 1 times 255, rounded;
    wider integers must lie in 0 to 255.

    >>> convert_array(np.array([[[0.0, 0.2, 1.0]]])).tolist()
    [[[0, 51, 255]]]
    """
    values = _over_white(_to_bytes(pixels))
    if size is None or values.shape[1:] == (size, size):
        return values
    return np.stack([np.asarray(fit(Image.fromarray(channel), size)) for channel in values])


def _to_bytes(values: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return np.round(values / 257).astype(np.uint8)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if np.issubdtype(values.dtype, np.integer):
        _check_range(values, 255, "integers are read as 0 to 255")
        return values.astype(np.uint8)
    if np.issubdtype(values.dtype, np.floating):
        _check_range(values, 1, "floats are read as 0 to 1")
        return np.round(values.astype(np.float64) * 255).astype(np.uint8)
    raise BadPixelsError(f"holds {values.dtype} values; expected integers or floats")


def _check_range(values: Shaped[np.ndarray, "..."], highest: int, rule: str) -> None:
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= highest:
        raise BadPixelsError(f"has values from {low:.4g} to {high:.4g}; {rule}")


def _over_white(values: UInt8[np.ndarray, "channel height width"]) -> UInt8[np.ndarray, "kept height width"]:
    if len(values) in (1, 3):
        return values
    alpha = values[-1:].astype(np.float64) / 255
    return np.round(values[:-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
