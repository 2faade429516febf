"""Pictures as bytes, for tests: PNG, TIFF and JPEG parts that Pillow does not write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(side: int = 16, *, channels: int = 3, top: int = 256, dtype=np.uint8, seed: int = 0) -> np.ndarray:
    shape = (side, side, channels) if channels > 1 else (side, side)
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


def chunk(kind: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    check = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def png(values: np.ndarray, *, extra: bytes = b"", size: tuple[int, int] | None = None) -> bytes:
    """A PNG of 8 or 16 bits and 1 to 4 channels, with more chunks before its pixels."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    bits = 8 * values.dtype.itemsize
    width, height = size or (values.shape[1], values.shape[0])
    head = struct.pack(">IIBBBBB", width, height, bits, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values)
    ends = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + ends


def tiff(
    values: np.ndarray,
    *,
    order: str = "<",
    deflate: bool = False,
    planes: bool = False,
    tags: dict[int, tuple[int, ...]] | None = None,
) -> bytes:
    """A TIFF of one strip, or one a channel, from [height width channel]; more tags are of 16 bits."""
    height, width, samples = values.shape
    parts = [values[:, :, place] for place in range(samples)] if planes else [values]
    strips = [part.astype(values.dtype.newbyteorder(order)).tobytes() for part in parts]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    entries = {
        256: (3, (width,)),
        257: (3, (height,)),
        258: (3, (8 * values.dtype.itemsize,) * samples),
        259: (3, (8 if deflate else 1,)),
        262: (3, (1,)),
        273: (4, ()),
        277: (3, (samples,)),
        278: (3, (height,)),
        279: (4, tuple(map(len, strips))),
        284: (3, (2 if planes else 1,)),
        339: (3, (kind,) * samples),
    }
    entries |= {tag: (3, numbers) for tag, numbers in (tags or {}).items()}
    place, data = 8, b""
    offsets = []
    for strip in strips:
        offsets.append(place + len(data))
        data += strip
    entries[273] = (4, tuple(offsets))
    for tag, (form, numbers) in entries.items():
        packed = struct.pack(f"{order}{len(numbers)}{'H' if form == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            at = place + len(data)
            data += packed
            packed = struct.pack(f"{order}I", at)
        entries[tag] = struct.pack(f"{order}HHI", tag, form, len(numbers)) + packed.ljust(4, b"\0")
    begin = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", place + len(data))
    directory = b"".join(entry for _, entry in sorted(entries.items()))
    return begin + data + struct.pack(f"{order}H", len(entries)) + directory + b"\0\0\0\0"


def exif(orientation: int, *, order: str = "<", entries: bytes = b"", count: int | None = None) -> bytes:
    """A camera's notes: an orientation, and whatever other entries."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    said = len(entries) // 12 + 1 if count is None else count
    own = struct.pack(f"{order}HHIHH", 0x112, 3, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, said) + own + entries + b"\0\0\0\0"


def segment(data: bytes, body: bytes, *, mark: int = 0xE1) -> bytes:
    """A JPEG with one more segment at its begin."""
    return data[:2] + bytes((0xFF, mark)) + struct.pack(">H", len(body) + 2) + body + data[2:]
