"""Files that are no plain pictures, or odd ones: what each is, and whether it is `read` or `bad`."""

import os
import socket
import struct
import zlib
from pathlib import Path

import made_pictures as made
import numpy as np
from PIL import Image, ImageCms

NOISE = made.noise()
GOOD = made.saved(Image.fromarray(NOISE))
JPEG = made.saved(Image.fromarray(NOISE), "JPEG", quality=95)
MORE = [Image.fromarray(made.noise(seed=seed)) for seed in (1, 2)]
FIRST = Image.fromarray(NOISE)


def _of(kind: str, **options) -> bytes:
    return made.saved(FIRST, kind, **options)


def _cut(kind: str, share: float) -> bytes:
    data = _of(kind, **({"compression": "raw"} if kind == "TIFF" else {}))
    return data[: int(len(data) * share)]


def _animated(kind: str) -> bytes:
    return _of(kind, save_all=True, append_images=MORE)


def _with(kind: bytes, body: bytes, **more) -> bytes:
    return made.png(NOISE, extra=made.chunk(kind, body, **more))


def _jpeg_of_size(width: int, height: int) -> bytes:
    place = JPEG.index(b"\xff\xc0")
    return JPEG[: place + 5] + struct.pack(">HH", height, width) + JPEG[place + 9 :]


def _bmp_of_size(width: int, height: int) -> bytes:
    data = _of("BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def _gif_of_size(width: int, height: int) -> bytes:
    data = _of("GIF")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def _webp_canvas(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4)
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _ifd(*entries: tuple[int, int, int, int], next_one: int = 0) -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", next_one)


def _lab() -> bytes:
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    changed = ImageCms.applyTransform(FIRST, lab)
    assert changed is not None
    return made.saved(changed, "TIFF")


def _damaged_notes() -> bytes:
    resolution = struct.pack("<HHI", 0x11A, 2, 4) + b"72\0\0"
    return made.segment(JPEG, b"Exif\0\0" + made.exif(6, entries=resolution))


def _palette(**options) -> bytes:
    return made.saved(FIRST.convert("P"), **options)


PROFILE = zlib.compress(b"\0" * 2**27)
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(/tmp/owned) (w) file\nshowpage\n%%EOF\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)

BYTES: dict[str, tuple[str, bytes]] = {
    "an empty file": ("bad", b""),
    "eight bytes of PNG": ("bad", GOOD[:8]),
    "a PNG without its pixels": ("bad", GOOD[:33]),
    "half a PNG": ("bad", _cut("PNG", 0.5)),
    "half a JPEG": ("bad", _cut("JPEG", 0.5)),
    "a JPEG's begin": ("bad", JPEG[:40]),
    "half a WebP": ("bad", _cut("WEBP", 0.5)),
    "half a GIF": ("bad", _cut("GIF", 0.6)),
    "half a TIFF": ("bad", _cut("TIFF", 0.5)),
    "half a BMP": ("bad", _cut("BMP", 0.5)),
    "half an AVIF": ("bad", _cut("AVIF", 0.5)),
    "a GIF without a frame": ("bad", b"GIF89a" + struct.pack("<HH", 9, 9) + b"\0\0\0;"),
    "a JPEG with another ending": ("read", JPEG),
    "an AVIF with another ending": ("read", _of("AVIF")),
    "PostScript": ("bad", POSTSCRIPT),
    "PostScript with a preview": (
        "bad",
        struct.pack("<I7IH", 0xC6D3D0C5, 30, 99, 0, 0, 0, 0, 0, 0) + POSTSCRIPT,
    ),
    "a PDF": ("bad", b"%PDF-1.7\n" + bytes(99)),
    "an SVG": ("bad", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
    "an icon": ("bad", _of("ICO")),
    "a Photoshop file": ("bad", b"8BPS\0\1" + bytes(99)),
    "a WMF": ("bad", b"\xd7\xcd\xc6\x9a" + bytes(99)),
    "a zip": ("bad", b"PK\3\4" + bytes(99)),
    "text that begins as a PPM": ("bad", b"P3 2 2 255 " + b"1 " * 12),
    "a PNG that says 60,000 x 60,000": ("bad", made.png(NOISE, size=(60000, 60000))),
    "a PNG that says 2^31 x 2^31": ("bad", made.png(NOISE, size=(2**31 - 1, 2**31 - 1))),
    "a PNG of no pixels": ("bad", made.png(NOISE, size=(0, 0))),
    "a JPEG that says 65,500 x 65,500": ("bad", _jpeg_of_size(65500, 65500)),
    "a JPEG of no pixels": ("bad", _jpeg_of_size(0, 0)),
    "a BMP that says 60,000 x 60,000": ("bad", _bmp_of_size(60000, 60000)),
    "a BMP that says -5 x 2": ("bad", _bmp_of_size(-5, 2)),
    "a GIF that says 65,535 x 65,535": ("bad", _gif_of_size(65535, 65535)),
    "a WebP that says 16,384 x 16,384": ("bad", _webp_canvas(16384, 16384)),
    "a PPM that says 10^20": ("bad", b"P6 100000000000000000000 1 255\n" + bytes(9)),
    "a PPM with a slow highest number": ("bad", b"P6 3000 3000 254\n" + bytes(27_000_000)),
    "a TIFF of 2^32 tags' numbers": ("bad", _ifd((256, 4, 2**32 - 1, 8), (257, 3, 1, 4))),
    "a TIFF that leads to itself": ("bad", _ifd((256, 3, 1, 4), (257, 3, 1, 4), next_one=8)),
    "a TIFF of 60,000 x 60,000": ("bad", made.tiff(NOISE[..., :1], tags={256: (60000,), 257: (60000,)})),
    "a TIFF of five channels": ("bad", made.tiff(made.noise(channels=5))),
    "a TIFF of 2^16 channels": ("bad", made.tiff(made.noise(channels=5), tags={277: (65535,)})),
    "a TIFF of NaN": ("bad", made.tiff(np.full((4, 4, 1), np.nan, dtype=np.float32))),
    "a TIFF of signed numbers": ("bad", made.tiff(np.full((4, 4, 1), -9, dtype=np.int16))),
    "a TIFF of floats": ("read", made.tiff(np.full((4, 4, 1), 0.25, dtype=np.float32))),
    "a TIFF of 16 bits, low byte last": (
        "read",
        made.tiff(made.noise(channels=1)[..., None].astype(">u2") * 257),
    ),
    "a TIFF of several pages": ("read", _animated("TIFF")),
    "a TIFF in Lab": ("read", _lab()),
    "one pixel": ("read", made.png(NOISE[:1, :1])),
    "one row of 20,000 pixels": ("read", made.png(np.zeros((1, 20000, 3), dtype=np.uint8))),
    "an animated GIF": ("read", _animated("GIF")),
    "an animated PNG": ("read", _animated("PNG")),
    "an animated WebP": ("read", _animated("WEBP")),
    "a CMYK JPEG": ("read", made.saved(FIRST.convert("CMYK"), "JPEG")),
    "a CMYK TIFF": ("read", made.saved(FIRST.convert("CMYK"), "TIFF")),
    "a palette with a transparent colour": ("read", _palette(transparency=3)),
    "a palette with many alphas": ("read", _palette(transparency=bytes(range(99)))),
    "a picture of 1 bit": ("read", made.saved(FIRST.convert("1"))),
    "a PNG of 16 bits": ("read", made.png(made.noise(top=65536, dtype=np.uint16))),
    "gray with alpha of 16 bits": ("read", made.png(made.noise(channels=2, top=65536, dtype=np.uint16))),
    "damaged camera notes": ("read", _damaged_notes()),
    "camera notes that end too soon": ("read", made.segment(JPEG, b"Exif\0\0" + made.exif(6)[:12])),
    "camera notes of 60,000 entries": ("read", made.segment(JPEG, b"Exif\0\0" + made.exif(3, count=60000))),
    "camera notes that lead to themselves": (
        "read",
        made.segment(JPEG, b"Exif\0\0" + made.exif(3, entries=struct.pack("<HHII", 0x8769, 4, 1, 8))),
    ),
    "a damaged profile in JPEG": ("read", made.segment(JPEG, b"ICC_PROFILE\0\x09\x01zzz", mark=0xE2)),
    "a damaged index of several JPEG": ("read", made.segment(JPEG, b"MPF\0II*\0\xff\xff\xff\x7f", mark=0xE2)),
    "a profile that unfolds to 128 MiB": ("read", _with(b"iCCP", b"x\0\0" + PROFILE)),
    "text that unfolds to 128 MiB": ("read", _with(b"zTXt", b"x\0\0" + PROFILE)),
    "international text that unfolds": ("read", _with(b"iTXt", b"x\0\1\0\0\0" + PROFILE)),
    "a wrong sum of the text": ("read", _with(b"tEXt", b"Title\0odd", crc=1)),
    "a wrong sum of the size": ("bad", GOOD[:29] + b"\0\0\0\0" + GOOD[33:]),
    "HEIC without its library": ("bad", HEIC),
}


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as made_here:
        made_here.bind(path.name)
    os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(GOOD[:33])
        file.truncate(2**40)


PLACES = {
    "a pipe": ("aside", os.mkfifo),
    "a socket": ("aside", _socket),
    "a link to an endless device": ("aside", lambda path: path.symlink_to("/dev/zero")),
    "a link to a terminal": ("aside", lambda path: path.symlink_to("/dev/tty")),
    "a folder": ("aside", lambda path: path.mkdir()),
    "a link that leads nowhere": ("bad", lambda path: path.symlink_to("nowhere.png")),
    "a link to itself": ("bad", lambda path: path.symlink_to(path.name)),
    "a file of 2^40 bytes": ("bad", _sparse),
    "a link to a file without an end": ("bad", lambda path: path.symlink_to("/proc/kmsg")),
}
"""What stands where a picture is expected: none is ever read, and what is no file is no part of the set (`aside`)."""
