"""How the pictures of one set are read: limits, channels, and the range of numbers with more than 8 bits."""

import struct
import zlib
from dataclasses import dataclass

from PIL import Image

MEGA = 10**6
DEPTHS = (8, 10, 12, 14, 16)
"""Bits of a number that cameras and scanners give."""


class BadPixelsError(ValueError):
    """A picture that cannot be read; the text says why. The opener names the file."""


DECODING_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    SyntaxError,
    EOFError,
    RuntimeError,
    MemoryError,
    BufferError,
    Warning,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What decoders raise for bytes that are no whole picture: the one list, for every reader."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one set's pictures have in common while they are read."""

    max_pixels: int = 100 * MEGA
    """Pictures with more are bad images; checked before they are decoded."""
    channels: str | None = None
    """Channels to keep, counted from 0, with commas between them; `all`; unset: gray or RGB, alpha over white."""
    bits: int | None = None
    """Bits of whole numbers above 8 bits, said by the user; unset: their file's own word, else the set's highest."""
    highest: int | None = None
    """Highest number in the set's pictures of more than 8 bits; unset where it has none."""

    @property
    def white(self) -> int:
        """The number that becomes 255: of `bits`, else of the fewest usual bits that hold the set's highest.

        >>> Reading(highest=3000).white, Reading(bits=10).white, Reading().white
        (4095, 1023, 65535)
        """
        if self.bits is not None:
            return 2**self.bits - 1
        return 65535 if self.highest is None else white_of(self.highest)

    def check_size(self, width: int, height: int) -> None:
        """BadPixelsError for a picture with more pixels than are read, or with none."""
        if width < 1 or height < 1:
            raise BadPixelsError(f"has no pixels ({width} x {height})")
        if width * height > self.max_pixels:
            raise BadPixelsError(
                f"has {width:,} x {height:,} px, which is {width * height / MEGA:,.1f} megapixels; at most "
                f"{self.max_pixels / MEGA:g} are read (data.max_megapixels)"
            )

    def chosen(self, count: int) -> list[int]:
        """The channels to keep of a picture with so many; BadPixelsError where one is missing.

        >>> Reading(channels="3,2,1").chosen(13), Reading(channels="all").chosen(5)
        ([3, 2, 1], [0, 1, 2, 3, 4])
        """
        if self.channels is None or self.channels == "all":
            return list(range(count))
        places = [int(part) for part in self.channels.split(",")]
        if max(places) >= count:
            raise BadPixelsError(
                f"has {count} channels, 0 to {count - 1}; data.channels asks for {max(places)}"
            )
        return places


def white_of(highest: int) -> int:
    """The highest number of the fewest usual bits that hold this one; of 16 bits at most.

    >>> white_of(200), white_of(4000), white_of(65535)
    (255, 4095, 65535)
    """
    return next((2**bits - 1 for bits in DEPTHS if highest < 2**bits), 65535)
