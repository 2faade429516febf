"""JPEG and PNG bytes without their metadata: what they note about themselves never costs pixels."""

import struct
from typing import NamedTuple

_JPEG_KEPT = (0xE0, 0xEE)
"""JFIF and Adobe segments say how colours are stored."""
_JPEG_SIZES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


class Stripped(NamedTuple):
    """A picture without what does not make its pixels, and what was found on the way."""

    data: bytes
    exif: bytes | None = None
    """Notes of the camera."""
    bits: int | None = None
    """Significant bits of a number, as PNG notes them."""
    size: tuple[int, int] | None = None
    """Width and height, where the header has them."""


def stripped(data: bytes) -> Stripped:
    """The same picture without text, colour profiles, comments and camera notes; other formats as they are."""
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    return Stripped(data, size=_webp_size(data) if data[8:12] == b"WEBP" else None)


def _jpeg(data: bytes) -> Stripped:
    parts, place, exif, size = [data[:2]], 2, None, None
    while place + 4 <= len(data) and data[place] == 0xFF:
        mark = data[place + 1]
        if mark == 0xFF:
            place += 1
            continue
        if mark in (0xD9, 0xDA) or 0xD0 <= mark <= 0xD7:
            break
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        if mark == 0xE1 and exif is None and data[place + 4 : place + 10] == b"Exif\0\0":
            exif = data[place + 10 : end]
        if mark in _JPEG_SIZES and size is None and place + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, place + 5)
            size = width, height
        if not (0xE0 <= mark <= 0xEF or mark == 0xFE) or mark in _JPEG_KEPT:
            parts.append(data[place:end])
        place = end
    parts.append(data[place:])
    return Stripped(b"".join(parts), exif, None, size)


def _png(data: bytes) -> Stripped:
    parts, place, exif, bits, size = [data[:8]], 8, None, None, None
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : min(end - 4, place + 2**16)]
        if kind == b"IHDR" and size is None and len(body) >= 8:
            width, height = struct.unpack_from(">II", body)
            size = width, height
        elif kind == b"sBIT" and body and bits is None:
            bits = max(body)
        elif kind == b"eXIf" and exif is None:
            exif = body.removeprefix(b"Exif\0\0")
        if kind in _PNG_KEPT:
            parts.append(data[place:end])
        place = end
        if kind == b"IEND":
            break
    return Stripped(b"".join(parts), exif, bits, size)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP picture, whose decoder makes room for them when it opens."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def orientation(exif: bytes | None) -> int:
    """The side that is up, 1 (as stored) to 8, from a camera's notes; 1 where they do not say it.

    Only this entry is looked at, so damage to others does not matter.

    >>> orientation(bytes.fromhex("49492a00 08000000 0100 1201 0300 01000000 06000000")), orientation(b"MM")
    (6, 1)
    """
    notes = (exif or b"").removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(notes[:2])
    if order is None or len(notes) < 10:
        return 1
    start = struct.unpack_from(f"{order}I", notes, 4)[0]
    if start + 2 > len(notes):
        return 1
    for entry in range(struct.unpack_from(f"{order}H", notes, start)[0]):
        place = start + 2 + 12 * entry
        if place + 12 > len(notes):
            return 1
        tag, kind, count = struct.unpack_from(f"{order}HHI", notes, place)
        if tag == 0x0112 and count == 1 and kind in (3, 4):
            value = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", notes, place + 8)[0]
            return value if 1 <= value <= 8 else 1
    return 1
