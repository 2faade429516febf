"""The formats that are read, found by a file's first bytes; no other decoder, and no other program, is started."""

import importlib
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import Image

from contrascope.data.pictures.reading import DECODING_ERRORS, BadPixelsError, Reading
from contrascope.data.pictures.stripped import Stripped, orientation, stripped
from contrascope.extras import install_line

LARGE = 2**24
"""Pictures with more pixels are decoded one at a time, so that threads do not add up their memory."""
SLOW = 2**20
"""Most pixels of the one decoder that is written in Python: PPM whose highest number is none of 255 and 65535."""

_one_large = threading.Lock()
_quiet = threading.RLock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A format of pictures: its name in Pillow, and how its first 16 bytes look."""

    name: str
    begins: Callable[[bytes], bool]
    plugin: str
    """Module whose import makes Pillow know it."""


def _box(*brands: bytes) -> Callable[[bytes], bool]:
    return lambda data: data[4:8] == b"ftyp" and data[8:12] in brands


FORMATS = (
    Format(name="JPEG", begins=lambda data: data[:3] == b"\xff\xd8\xff", plugin="PIL.JpegImagePlugin"),
    Format(name="PNG", begins=lambda data: data[:8] == b"\x89PNG\r\n\x1a\n", plugin="PIL.PngImagePlugin"),
    Format(
        name="WEBP",
        begins=lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
        plugin="PIL.WebPImagePlugin",
    ),
    Format(name="GIF", begins=lambda data: data[:6] in (b"GIF87a", b"GIF89a"), plugin="PIL.GifImagePlugin"),
    Format(name="BMP", begins=lambda data: data[:2] == b"BM", plugin="PIL.BmpImagePlugin"),
    Format(
        name="TIFF",
        begins=lambda data: data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        plugin="PIL.TiffImagePlugin",
    ),
    Format(name="AVIF", begins=_box(b"avif", b"avis"), plugin="PIL.AvifImagePlugin"),
    Format(
        name="HEIF",
        begins=_box(b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"),
        plugin="pillow_heif",
    ),
    Format(
        name="PPM",
        begins=lambda data: data[:2] in (b"P4", b"P5", b"P6") and data[2:3].isspace(),
        plugin="PIL.PpmImagePlugin",
    ),
)
"""Every format that is read. HEIF needs the extra `heic`; PPM is PBM and PGM too, of bytes and not of text."""


def format_of(data: bytes) -> Format:
    """The format that the first bytes tell, whatever the file's name ends in; BadPixelsError for none of them.

    >>> format_of(b"GIF89a..........").name
    'GIF'
    """
    found = next((one for one in FORMATS if one.begins(data[:16])), None)
    if found is None:
        known = ", ".join(one.name for one in FORMATS)
        raise BadPixelsError(f"is no image that Pillow can read as {known}")
    return found


@contextmanager
def opened(data: bytes, reading: Reading) -> Iterator[tuple[Image.Image, Stripped]]:
    """The picture, its size checked and no pixel decoded yet; inside, what a decoder raises is a BadPixelsError."""
    try:
        plain = stripped(data)
        if plain.size is not None:
            reading.check_size(*plain.size)
        image = open_again(plain)
        with image:
            reading.check_size(*image.size)
            tiles = getattr(image, "tile", None)
            if tiles and tiles[0][0] == "ppm" and image.width * image.height > SLOW:
                raise BadPixelsError(
                    f"has a highest number that is read slowly, and more than {SLOW:,} pixels"
                )
            if image.width * image.height <= LARGE:
                yield image, plain
            else:
                with _one_large:
                    yield image, plain
    except BadPixelsError:
        raise
    except MemoryError as error:
        raise BadPixelsError("needs more memory than there is") from error
    except (struct.error, IndexError) as error:
        raise BadPixelsError("is broken or truncated (it ends too soon)") from error
    except DECODING_ERRORS as error:
        raise BadPixelsError(f"is broken or truncated ({error})") from error


def turned(image: Image.Image, plain: Stripped) -> int:
    """The orientation that its camera noted, 1 to 8; Pillow has turned TIFF itself."""
    if image.format == "TIFF":
        return 1
    return orientation(plain.exif or image.info.get("exif"))


def open_again(plain: Stripped) -> Image.Image:
    """The picture, not yet decoded."""
    kind = format_of(plain.data)
    factory, file = _factory(kind), BytesIO(plain.data)
    if kind.name in ("JPEG", "PNG"):  # they have lost what a decoder may warn of
        return factory(file, "")
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return factory(file, "")


@cache
def _factory(kind: Format) -> Callable[..., Image.Image]:
    """What makes a picture of this format, from Pillow or from the library that teaches it the format."""
    try:
        module = importlib.import_module(kind.plugin)
    except ModuleNotFoundError as error:
        raise BadPixelsError(
            f"is {kind.name}, which needs {kind.plugin.replace('_', '-')}: {install_line('heic')}"
        ) from error
    if kind.plugin == "pillow_heif":
        module.register_heif_opener(thumbnails=False)
    return Image.OPEN[kind.name][0]
