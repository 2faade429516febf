"""Figures of gallery.json that show images: a shortcut, views, extremes and neighbours."""

import re
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from contrascope.records.gallery import ImageEntry, NearEntry, SheetEntry, ViewEntry
from contrascope.records.shortcut import (
    COLOURS,
    STATISTICS,
    ComparedViewEntry,
    ConfusedViewsEntry,
    ShortcutEntry,
)
from contrascope.reports.blocks import SHORTCUT, Strip, Strips, Tile, short
from contrascope.reports.load import RunRecords

BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
FORMATS = ("webp", "png", "jpeg")
MOST_BESIDE = 5
"""Views or neighbours beside an image: a row of six is half of the page's width. The record may hold more."""
MOST_PAIRS = 4
"""Images of the first screen."""
BEHIND = 2**32
"""On the page the thumbnails of a shortcut have numbers from here on, so that none is taken for one of the gallery."""


def sheets(run: RunRecords) -> list[dict[str, Any]]:
    """The sheets of thumbnails, each checked: a side, columns, and base64 of a known format."""
    found = []
    for sheet in sheets_of(run):
        if sheet.format not in FORMATS or not BASE64.fullmatch(sheet.data):
            raise ValueError("a sheet of thumbnails is not base64 of an image")
        side, columns, first, count = sheet.side, sheet.columns, sheet.first, sheet.count
        if side is None or columns is None or first is None or count is None:
            raise ValueError("a sheet of thumbnails has no size")
        if side < 1 or columns < 1 or count < 1 or first < 0:
            raise ValueError("a sheet of thumbnails has no size")
        rows = -(-count // columns)
        found.append(
            {"side": side, "columns": columns, "rows": rows, "first": first, "count": count}
            | {"url": f"data:image/{sheet.format};base64,{sheet.data}"}
        )
    return found


def shortcut(run: RunRecords) -> Strips | None:
    """What an encoder confuses that may rest on a shortcut."""
    found = run.diagnosis.shortcut
    if found is None or not found.rows:
        return None
    if found.reason not in (COLOURS, STATISTICS):
        raise ValueError(f"no shortcut is called {found.reason[:40]!r}")
    colours = found.reason == COLOURS
    return Strips(
        title="What the shortcut looks like",
        read=_of_colours(found) if colours else _of_statistics(found),
        rows=[_confused(run, row, "shuffled" if colours else "another image") for row in found.rows],
        anchor=SHORTCUT,
    )


def _of_colours(found: ShortcutEntry) -> str:
    return (
        f"In {short(found.nearer)} of {short(found.images)} images a view lies at least as near to its own pixels in "
        "random order as to the other view of the same image: the two share nothing but their colours. Each row: a "
        "view, its pixels in random order, the other view. The numbers are cosines with the first picture; the "
        "largest difference comes first."
    )


def _of_statistics(found: ShortcutEntry) -> str:
    return (
        "Each row: a view, the nearest view of another image, the other view of the same image. The numbers are "
        "cosines with the first picture. Shown are the images whose nearest other image is most alike in mean, "
        "contrast and sharpness; point at a picture, or move to it with the Tab key, for these numbers. In "
        f"{short(found.nearer)} of {short(found.images)} images another image's view lies at least as near as the "
        "image's own."
    )


def _confused(run: RunRecords, row: ConfusedViewsEntry, decoy: str) -> Strip:
    tiles = []
    for caption, one in (("view", row.view), (decoy, row.decoy), ("other view", row.other)):
        if one is None or one.tile is None:
            raise ValueError("a row of pictures has lost one")
        told = caption if one.cosine is None else f"{caption} {short(one.cosine, 3)}"
        alt = f"{told}: {one.name}"
        tiles.append(tile_of(run, BEHIND + one.tile, alt, words=_looks(one), caption=told))
    return Strip(heading=row.view.name if row.view is not None else "", tiles=tiles)


def _looks(shown: ComparedViewEntry) -> tuple[str, ...]:
    look = shown.look
    if look is None:
        return ()
    parts = (("mean", look.mean), ("contrast", look.contrast), ("sharpness", (look.sharpness,)))
    said = (f"{name} {', '.join(short(value, 3) for value in values)}" for name, values in parts)
    return (shown.name, *said)


def views(run: RunRecords) -> Strips | None:
    """A few images with their views under the policy."""
    rows = run.gallery.views
    if not rows:
        return None
    policy = run.gallery.policy or "unknown"
    return Strips(
        title=f"Images and their views under the policy {policy}",
        read="The first picture of a row is the image, the others are what the encoder sees in its place. If you "
        "cannot tell which image a view came from, neither can the encoder. Point at a view, or move to it with "
        "the Tab key, for the numbers that made it.",
        rows=_rows(run, rows),
    )


def worst(run: RunRecords) -> Strips | None:
    """Images whose views fall apart."""
    return _extremes(
        run,
        "worst",
        "Worst-aligned images",
        "Their views lie farthest apart in the encoder: crops that show different things, or views that lost the "
        "object. Many of one kind mean that the policy is too strong for it.",
    )


def best(run: RunRecords) -> Strips | None:
    """Images whose views stay together."""
    return _extremes(
        run,
        "best",
        "Best-aligned images",
        "Their views lie closest together: uniform textures and plain grounds often do, whatever is on them.",
    )


def neighbours(run: RunRecords) -> Strips | None:
    """Nearest neighbours of a few images, confusing ones among them."""
    known = _clusters(run)
    rows = []
    for row in _mixed(run.gallery.neighbours):
        near = [_near(run, row, other) for other in row.near[:MOST_BESIDE]]
        about = f"{_name(run, row)}{': confusing' if row.confusing else ''}"
        rows.append(_strip(run, row, about, [_tile(run, row, "image"), *near], known))
    if not rows:
        return None
    return Strips(
        title="Nearest neighbours",
        read="The first picture is the image, then its nearest neighbours by the cosine of encoder outputs. "
        "✓ same class, ✗ another class. Confusing ones have a neighbour of another class very near; without "
        "labels, their neighbours are far.",
        rows=rows,
    )


def _extremes(run: RunRecords, key: str, title: str, read: str) -> Strips | None:
    rows: tuple[ImageEntry, ...] = getattr(run.gallery, key)
    if not rows:
        return None
    return Strips(title=title, read=read, rows=_rows(run, rows))


def _mixed(rows: tuple[ImageEntry, ...]) -> list[ImageEntry]:
    """Images drawn at random and confusing ones in turn, so that of both the first are seen first."""
    halves = [[row for row in rows if bool(row.confusing) == confusing] for confusing in (False, True)]
    pairs = zip_longest(*halves)
    return [row for pair in pairs for row in pair if row is not None]


def _rows(run: RunRecords, rows: tuple[ImageEntry, ...]) -> list[Strip]:
    known = _clusters(run)
    return [_row(run, row, known) for row in rows]


def _row(run: RunRecords, row: ImageEntry, known: dict[str, int]) -> Strip:
    tiles = [_tile(run, row, "image")]
    tiles += [
        _tile(run, view, f"view {place}", view.parameters, name=_name(run, row))
        for place, view in enumerate(row.views[:MOST_BESIDE], start=1)
    ]
    about = "" if row.alignment is None else f", mean squared distance of its views {row.alignment:.2f}"
    return _strip(run, row, f"{_name(run, row)}{about}", tiles, known)


def _strip(run: RunRecords, row: ImageEntry, heading: str, tiles: list[Tile], known: dict[str, int]) -> Strip:
    cluster = known.get(row.name)
    return Strip(
        heading=heading,
        tiles=tiles,
        label=_class(run, row),
        cluster="" if cluster is None else f"pseudo-class {cluster}",
    )


def _clusters(run: RunRecords) -> dict[str, int]:
    """Pseudo-class of the images on the map, by name; those of the first split, from which the rows are."""
    found = run.gallery.map
    if found is None or found.pseudo is None:
        return {}
    split = found.split or (0,) * len(found.pseudo)
    names = found.names or tuple(f"image {code}" for code in found.id or ())
    return {
        name: int(code)
        for name, code, of in zip(names, found.pseudo, split, strict=False)
        if code is not None and not of
    }


def _near(run: RunRecords, row: ImageEntry, other: NearEntry) -> Tile:
    mark = "" if row.label is None else ("✓ " if row.label == other.label else "✗ ")
    words = (f"cosine {short(other.cosine, 3)}", _name(run, other))
    found = _tile(run, other, f"{mark}{short(other.cosine, 2)}", words)
    return replace(found, name=other.name)


def _tile(
    run: RunRecords,
    shown: ImageEntry | NearEntry | ViewEntry,
    caption: str,
    words: tuple[str, ...] = (),
    *,
    name: str = "",
) -> Tile:
    about = f" of {name}" if name or isinstance(shown, ViewEntry) else f": {_name(run, shown)}"
    return tile_of(run, shown.tile, f"{caption}{about}", words=words, caption=caption)


def tile_of(
    run: RunRecords, tile: int | None, alt: str, *, words: tuple[str, ...] = (), caption: str = ""
) -> Tile:
    """The thumbnail of that number; raises `ValueError` where it lies in no sheet."""
    for place, sheet in enumerate(sheets_of(run)):
        first, count = sheet.first or 0, sheet.count or 0
        if tile is not None and first <= tile < first + count:
            full = ". ".join([alt, *words])
            return Tile(sheet=place, place=tile - first, alt=full, words=words, caption=caption)
    raise ValueError(f"thumbnail {tile} lies in no sheet")


def sheets_of(run: RunRecords) -> tuple[SheetEntry, ...]:
    """The sheets of a run, those of its shortcut last; or of an advice."""
    if run.advised:
        return run.policies.sheets
    behind = () if run.diagnosis.shortcut is None else run.diagnosis.shortcut.sheets
    moved = (one if one.first is None else replace(one, first=one.first + BEHIND) for one in behind)
    return (*run.gallery.sheets, *moved)


def _name(run: RunRecords, shown: ImageEntry | NearEntry) -> str:
    name, words = shown.name or "image", _class(run, shown)
    return f"{name} ({words})" if words else name


def _class(run: RunRecords, shown: ImageEntry | NearEntry) -> str:
    code, classes = shown.label, run.gallery.classes
    return classes[code] if code is not None and 0 <= code < len(classes) else ""


def alike(run: RunRecords) -> Strips | None:
    """For the first screen: some images, each beside its nearest neighbour."""
    asked = [row for row in run.gallery.neighbours if row.near]
    drawn = [row for row in asked if not row.confusing] or asked
    rows = [
        Strip(
            heading="",
            tiles=[
                replace(_tile(run, row, "image"), name=row.name),
                _near(run, row, row.near[0]),
            ],
        )
        for row in drawn[:MOST_PAIRS]
    ]
    if not rows:
        return None
    return Strips(
        title="What it takes for alike",
        read=f"Images{'' if drawn is asked else ' drawn at random'}, each beside the image that the encoder finds "
        f"nearest, with their cosine{'; ✓ same class, ✗ another' if drawn[0].label is not None else ''}.",
        rows=rows,
        narrow=True,
    )
