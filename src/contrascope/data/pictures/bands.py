"""TIFF pictures with more channels than a picture for the eye has: satellites, microscopes."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from contrascope.data.pictures.reading import MEGA, BadPixelsError, Reading

_SIZES = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}
_KINDS = {1: "u", 2: "i", 3: "f"}
_NONE, _DEFLATE = (1,), (8, 32946)


class BandLayout(NamedTuple):
    """How the numbers of the first picture of a TIFF file lie in it."""

    width: int
    height: int
    samples: int
    dtype: np.dtype
    compression: int
    predictor: int
    planes: bool
    """Whether each channel is stored for itself."""
    block: tuple[int, int]
    """Height and width of a stored block."""
    places: tuple[tuple[int, int], ...]
    """Start and length of each block."""


def many_bands(data: bytes) -> BandLayout | None:
    """The layout of a TIFF file that Pillow would not read whole: five channels or more, or deep ones apart."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        tags = _tags(data)
        samples, bits = _one(tags, 277, 1), _one(tags, 258, 1)
        planes = _one(tags, 284, 1) == 2
        if samples <= 4 and not (planes and samples > 1 and bits > 8):
            return None
        return _layout(tags, samples, bits, planes, "<" if data[:2] == b"II" else ">")
    except (struct.error, IndexError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, BadPixelsError):
            raise
        raise BadPixelsError(f"is broken or truncated ({error})") from error


def read_bands(
    data: bytes, layout: BandLayout, reading: Reading
) -> Shaped[np.ndarray, "channel height width"]:
    """The numbers of every channel; BadPixelsError for a compression that is not read, or too many numbers."""
    reading.check_size(layout.width, layout.height)
    if layout.width * layout.height * layout.samples > 3 * reading.max_pixels:
        raise BadPixelsError(
            f"has {layout.samples} channels of {layout.width:,} x {layout.height:,} px; at most "
            f"{3 * reading.max_pixels / MEGA:g} million numbers are read (data.max_megapixels)"
        )
    if layout.compression not in (*_NONE, *_DEFLATE):
        raise BadPixelsError(
            f"has {layout.samples} channels in the TIFF compression {layout.compression}; expected none or "
            "deflate. Save it again, or as an array (.npy)"
        )
    values = np.zeros((layout.samples, layout.height, layout.width), dtype=layout.dtype.newbyteorder("="))
    for channels, rows, columns, block in _blocks(data, layout):
        high, wide = values.shape[1] - rows, values.shape[2] - columns
        part = block[:high, :wide].transpose(2, 0, 1)
        values[channels, rows : rows + part.shape[1], columns : columns + part.shape[2]] = part
    return values


def _blocks(data: bytes, layout: BandLayout) -> Iterator[tuple[slice, int, int, np.ndarray]]:
    """Each stored block: its channels, its first row and column, and its numbers [height width channel]."""
    high, wide = layout.block
    across, down = -(-layout.width // wide), -(-layout.height // high)
    depth = 1 if layout.planes else layout.samples
    groups = layout.samples if layout.planes else 1
    if len(layout.places) < across * down * groups:
        raise BadPixelsError("is broken or truncated (a part of the picture is missing)")
    for group in range(groups):
        for place in range(across * down):
            row, column = place // across * high, place % across * wide
            start, length = layout.places[group * across * down + place]
            # The last strip may be shorter than the others; tiles are always whole.
            rows = high if across > 1 or wide != layout.width else min(high, layout.height - row)
            block = _numbers(data[start : start + length], layout, rows * wide * depth)
            block = block.reshape(rows, wide, depth)
            if layout.predictor == 2:
                block = np.cumsum(block, axis=1, dtype=block.dtype)
            yield slice(group, group + depth), row, column, block


def _numbers(stored: bytes, layout: BandLayout, count: int) -> np.ndarray:
    wanted = count * layout.dtype.itemsize
    if layout.compression in _DEFLATE:
        stored = zlib.decompressobj().decompress(stored, wanted)
    if len(stored) < wanted:
        raise BadPixelsError("is broken or truncated (its numbers end too soon)")
    return np.frombuffer(stored[:wanted], dtype=layout.dtype).astype(layout.dtype.newbyteorder("="))


def _layout(
    tags: dict[int, tuple[int, ...]], samples: int, bits: int, planes: bool, order: str
) -> BandLayout:
    width, height = _one(tags, 256), _one(tags, 257)
    kind, predictor = _one(tags, 339, 1), _one(tags, 317, 1)
    readable = bits in (8, 16, 32) and kind in _KINDS and len(set(tags.get(258, (bits,)))) == 1
    if not readable or (kind == 3 and bits == 8) or predictor not in (1, 2) or (predictor == 2 and kind == 3):
        raise BadPixelsError(
            f"has {samples} channels of {bits} bits in an order that is not read; save it again, or as an array (.npy)"
        )
    tiled = 322 in tags
    block = (
        (_one(tags, 323), _one(tags, 322)) if tiled else (min(_one(tags, 278, height), height) or 1, width)
    )
    if min(width, height, *block, samples) < 1 or max(block) > 2**16:
        raise BadPixelsError(f"has no pixels ({width} x {height}) or too large blocks")
    starts, lengths = (tags[324], tags[325]) if tiled else (tags[273], tags[279])
    return BandLayout(
        width,
        height,
        samples,
        np.dtype(f"{order}{_KINDS[kind]}{bits // 8}"),
        _one(tags, 259, 1),
        predictor,
        planes,
        block,
        tuple(zip(starts, lengths, strict=False)),
    )


def _one(tags: dict[int, tuple[int, ...]], tag: int, default: int | None = None) -> int:
    if tag not in tags and default is not None:
        return default
    if not tags.get(tag):
        raise BadPixelsError(f"is broken or truncated (TIFF tag {tag} is missing)")
    return tags[tag][0]


def _tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Whole numbers of the first directory; others are left out."""
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    found = {}
    for entry in range(struct.unpack_from(f"{order}H", data, start)[0]):
        place = start + 2 + 12 * entry
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, place)
        if kind not in _SIZES:
            continue
        letter, size = _SIZES[kind]
        at = place + 8 if count * size <= 4 else struct.unpack_from(f"{order}I", data, place + 8)[0]
        if at + count * size <= len(data):
            found[tag] = struct.unpack_from(f"{order}{count}{letter}", data, at)
    return found
