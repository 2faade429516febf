"""Pictures of more than 8 bits a number: what range they use, and how they become bytes."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageFile

from contrascope.data.pictures.formats import open_again
from contrascope.data.pictures.reading import BadPixelsError, Reading, white_of
from contrascope.data.pictures.stripped import Stripped

_BITS, _MAX, _SMAX = 258, 281, 341
_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B"}
"""Where the low byte is, for decoders that keep the high one."""


class Deep(NamedTuple):
    """Numbers of one picture, whole or real, not yet bytes."""

    values: Shaped[np.ndarray, "height width ..."]
    tag: float | int | None
    """The highest number that its file says it may have."""


def is_deep(image: Image.Image) -> bool:
    """Whether an opened picture has numbers of more than 8 bits."""
    return image.mode.startswith(("I", "F")) or _raw(image).rpartition(";")[2] in _SWAPPED


def deep_values(image: Image.Image, plain: Stripped) -> Deep:
    """The numbers of a picture that `is_deep`, opened and not yet loaded; alpha is a second or fourth one."""
    tag, raw = _tag(image, plain), _raw(image)
    if image.mode == "F":
        return Deep(np.asarray(image), tag)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        _check_range(values, 65535, "integers are read as 0 to 65535")
        return Deep(values.astype(np.uint16), tag)
    if raw == "LA;16B":  # four bytes a pixel, as those of 8-bit RGBA
        _set_raw(image, "RGBA")
        parts = np.asarray(image).astype(np.uint16)
        return Deep(parts[..., ::2] * 256 + parts[..., 1::2], tag)
    high = image
    low = open_again(plain)
    if raw.startswith("CMYK"):  # colours first: the high byte is all that they need
        return Deep(np.asarray(high.convert("RGB")).astype(np.uint16) * 257, 65535)
    _set_raw(low, raw[:-3] + _SWAPPED[raw[-3:]])
    return Deep(np.asarray(high).astype(np.uint16) * 256 + np.asarray(low), tag)


def to_bytes(
    values: Shaped[np.ndarray, "..."], reading: Reading, *, tag: float | int | None = None
) -> UInt8[np.ndarray, "..."]:
    """Numbers as bytes: 8-bit as it is; truth values 0 and 255; reals from 0 to 1; whole numbers by their range.

    The range of whole numbers is `reading.bits`, else the file's own `tag`, else that of the set's highest.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if np.issubdtype(values.dtype, np.floating):
        most = tag or 1.0
        _check_range(values, most, f"floats are read as 0 to {most:g}")
        return np.round(values.astype(np.float64) * (255 / most)).astype(np.uint8)
    if not np.issubdtype(values.dtype, np.integer):
        raise BadPixelsError(f"holds {values.dtype} values; expected integers or floats")
    white = _white(values, reading, tag)
    _check_range(values, white, f"integers are read as 0 to {white}, by data.bits or the set's highest one")
    return np.round(values / (white / 255)).astype(np.uint8)


def _white(values: Shaped[np.ndarray, "..."], reading: Reading, tag: float | int | None) -> int:
    """The number that becomes 255; a tag that the picture exceeds is damaged, and nothing is lost by it."""
    if reading.bits is None and tag is not None and values.size and values.max() <= tag:
        return int(tag)
    if reading.bits is None and reading.highest is None and values.dtype != np.uint16:
        return 255
    return reading.white


def _check_range(values: Shaped[np.ndarray, "..."], highest: float | int, rule: str) -> None:
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if not 0 <= low <= high <= highest:
        raise BadPixelsError(f"has values from {low:.6g} to {high:.6g}; {rule}")


def _tag(image: Image.Image, plain: Stripped) -> float | int | None:
    """What the file says of its highest number."""
    if image.format == "PPM":
        return 65535  # Pillow has brought its numbers to that range
    if image.format == "PNG":
        return None if plain.bits is None or not 8 <= plain.bits < 16 else 2**plain.bits - 1
    tags = getattr(image, "tag_v2", None) or {}
    real = image.mode == "F"
    noted = [_number(tags, tag) for tag in (_MAX, _SMAX)]
    highest = max((value for value in noted if value), default=None)
    if highest is not None:
        return highest if real else white_of(int(highest))
    bits = _number(tags, _BITS)
    return None if bits is None or real or not 8 < bits < 16 else 2 ** int(bits) - 1


def _number(tags: Any, tag: int) -> float | int | None:
    """The highest finite number above 0 of a tag, if it has one."""
    try:
        found = np.atleast_1d(np.asarray(tags[tag], dtype=np.float64))
    except (KeyError, TypeError, ValueError):
        return None
    usable = found[np.isfinite(found) & (found > 0)]
    return float(usable.max()) if usable.size else None


def _raw(image: Image.Image) -> str:
    """The decoder's name for how the numbers are stored."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments: Any = tiles[0][3]
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _set_raw(image: Image.Image, raw: str) -> None:
    """Let the decoder take the numbers as stored in another way."""
    assert isinstance(image, ImageFile.ImageFile)
    image.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *(tile.args or ())[1:]))
        for tile in image.tile
    ]
