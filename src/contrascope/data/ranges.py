"""The range of a set's numbers: one for all its images, in memory and streamed, and said in words."""

from collections.abc import Iterator
from dataclasses import replace

from contrascope.data.convert import Depth
from contrascope.data.folders.names import shown_name
from contrascope.data.pictures.reading import MEGA, BadPixelsError, Reading
from contrascope.data.settings import DataSettings
from contrascope.data.source import AbstractSource
from contrascope.data.threads import bounded_map

LOOK_AT = 64
"""Images, evenly spaced, of which one must have more than 8 bits for all to be looked at."""
CHUNK = 64


def reading_of(source: AbstractSource, settings: DataSettings) -> tuple[Reading, tuple[str, ...]]:
    """How the settings say that this set is read, with the range of its numbers where they have more than 8 bits.

    The second part says that range in words.
    """
    reading = Reading(
        max_pixels=settings.max_megapixels * MEGA, channels=settings.channels, bits=settings.bits
    )
    count = len(source)
    if settings.bits is not None or not any(
        _depths(source, range(0, count, max(1, count // LOOK_AT)), reading)
    ):
        return reading, ()

    def look(rows: range) -> list[Depth]:
        return _depths(source, rows, reading)

    chunks = [range(at, min(at + CHUNK, count)) for at in range(0, count, CHUNK)]
    found = [
        depth
        for part in bounded_map(look, chunks, workers=settings.workers, ahead=4 * settings.workers)
        for depth in part
    ]
    reading = replace(
        reading, highest=max((one.highest for one in found if one.highest is not None), default=None)
    )
    return reading, tuple(_words(source.name, found, reading))


def mark(reading: Reading) -> str:
    """What tells this set's pixels from those of other channels or another range; empty for the usual ones.

    >>> mark(Reading()), mark(Reading(highest=4000))
    ('', ' None 4095')
    """
    usual = reading.channels is None and reading.white == 65535
    return "" if usual else f" {reading.channels} {reading.white}"


def _depths(source: AbstractSource, rows: range, reading: Reading) -> list[Depth]:
    found = []
    for row in rows:
        try:
            depth = source.depth(row, reading)
        except BadPixelsError:
            continue
        if depth is not None:
            found.append(depth)
    return found


def _words(name: str, found: list[Depth], reading: Reading) -> Iterator[str]:
    said = sorted({int(one.said) for one in found if one.said is not None and one.said < 65535})
    if said:
        yield shown_name(
            f"{name}: images of more than 8 bits say what is white: {', '.join(map(str, said))}."
        )
    silent = any(one.said is None or (reading.highest or 0) > one.said for one in found)
    if reading.highest is not None and silent and reading.white < 65535:
        bits = reading.white.bit_length()
        yield shown_name(
            f"{name}: the highest number is {reading.highest}, so its images are read as {bits} bits: {reading.white} "
            f"is white. Other sets for the same encoder need the same: data.bits={bits}."
        )
