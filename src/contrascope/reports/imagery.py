"""Figures of gallery.json that show images: a shortcut, views, extremes, neighbours and the map."""

import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from contrascope.records.entry import Tree
from contrascope.records.gallery import ImageEntry, NearEntry, SheetEntry, ViewEntry
from contrascope.records.shortcut import (
    COLOURS,
    STATISTICS,
    ComparedViewEntry,
    ConfusedViewsEntry,
    ShortcutEntry,
)
from contrascope.reports.blocks import SHORTCUT, Map, Strips, Table, Tile, sample, short
from contrascope.reports.load import RunRecords, number

BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
FORMATS = ("webp", "png", "jpeg")
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


def _confused(run: RunRecords, row: ConfusedViewsEntry, decoy: str) -> tuple[str, list[Tile]]:
    tiles = []
    for caption, one in (("view", row.view), (decoy, row.decoy), ("other view", row.other)):
        if one is None or one.tile is None:
            raise ValueError("a row of pictures has lost one")
        told = caption if one.cosine is None else f"{caption} {short(one.cosine, 3)}"
        alt = f"{told}: {one.name}"
        tiles.append(tile_of(run, BEHIND + one.tile, alt, words=_looks(one), caption=told))
    return row.view.name if row.view is not None else "", tiles


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
        rows=[_row(run, row) for row in rows],
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
    rows = []
    for row in run.gallery.neighbours:
        query = _tile(run, row, "image")
        near = [_near(run, row, other) for other in row.near]
        about = f"{_name(run, row)}{': confusing' if row.confusing else ''}"
        rows.append((about, [query, *near]))
    if not rows:
        return None
    return Strips(
        title="Nearest neighbours",
        read="The first picture is the image, then its nearest neighbours by the cosine of encoder outputs. "
        "✓ same class, ✗ another class. Confusing ones have a neighbour of another class very near; without "
        "labels, their neighbours are far.",
        rows=rows,
    )


COLUMNS = ("label", "pseudo", "split", "alignment", "tile", "id")


def points(run: RunRecords) -> Map | None:
    """The map of embeddings."""
    found = run.gallery.map
    if found is None or found.pca is None:
        return None
    count = len(found.pca.x)
    places: dict[str, Tree] = {}
    for name, place in (("umap", found.umap), ("pca", found.pca)):
        if place is not None:
            if len(place.x) != count or len(place.y) != count:
                raise ValueError(f"map: {name} has columns of different lengths")
            places[name] = {"x": _finite(place.x), "y": _finite(place.y)}
    held = {key: _finite(column) for key in COLUMNS if (column := getattr(found, key)) is not None}
    if any(len(column) != count for column in held.values()):
        raise ValueError("map: columns of different lengths")
    names = found.names
    data = {"places": places, "columns": held, "classes": _classes(run), "count": count}
    data["splits"] = list(found.splits)
    data["names"] = list(names) if names and len(names) == count else None
    warning = "UMAP keeps neighbourhoods and invents distances. " if "umap" in places else ""
    explained = ", ".join(f"{100 * share:.0f} %" for share in _finite(found.pca.explained) if share)
    return Map(
        title="Map of embeddings",
        alt=f"Scatter plot of {count:,} images, placed by the two main directions of the encoder's output.",
        read=f"Near points are images that the encoder takes for alike. PCA keeps {explained or 'part'} of the "
        f"variance along its two axes, so what overlaps here may be apart in other directions. {warning}"
        f"{found.pseudo_rule}",
        table=_by_class(run, places["pca"], held, data["splits"]),
        points=data,
    )


def _by_class(run: RunRecords, pca: Tree, held: Tree, splits: list[str]) -> Table:
    """The table that stands for the map: one row a class, or a pseudo-class without labels."""
    key = "label" if "label" in held else "pseudo"
    codes = held.get(key) or [0] * len(pca["x"])
    names = _classes(run) if key == "label" else []
    groups: dict[Any, list[int]] = {}
    for place, code in enumerate(codes):
        groups.setdefault(code, []).append(place)
    alignment = held.get("alignment", [])
    rows = []
    for code in sorted(code for code in groups if code is not None):
        mine = groups[code]
        aligned = [value for i in mine if alignment and (value := alignment[i]) is not None]
        name = names[int(code)] if 0 <= int(code) < len(names) else f"{key} {short(code)}"
        x, y = (short(fmean([pca[axis][i] or 0.0 for i in mine]), 3) for axis in "xy")
        rows.append((name, f"{len(mine):,}", x, y, short(fmean(aligned) if aligned else None)))
    kept, note = sample(rows, 200)
    return Table(
        title=f"The map by {key}",
        head=("class", "images", "mean PCA 1", "mean PCA 2", "mean alignment (0 to 4)"),
        rows=kept,
        note=" ".join([note, f"Splits: {', '.join(splits)}." if splits else ""]).strip(),
    )


def _extremes(run: RunRecords, key: str, title: str, read: str) -> Strips | None:
    rows: tuple[ImageEntry, ...] = getattr(run.gallery, key)
    if not rows:
        return None
    return Strips(title=title, read=read, rows=[_row(run, row) for row in rows])


def _row(run: RunRecords, row: ImageEntry) -> tuple[str, list[Tile]]:
    tiles = [_tile(run, row, "image")]
    tiles += [
        _tile(run, view, f"view {place}", view.parameters, name=_name(run, row))
        for place, view in enumerate(row.views, start=1)
    ]
    about = "" if row.alignment is None else f", mean squared distance of its views {row.alignment:.2f}"
    return f"{_name(run, row)}{about}", tiles


def _near(run: RunRecords, row: ImageEntry, other: NearEntry) -> Tile:
    mark = "" if row.label is None else ("✓ " if row.label == other.label else "✗ ")
    words = (f"cosine {short(other.cosine, 3)}", _name(run, other))
    return _tile(run, other, f"{mark}{short(other.cosine, 2)}", words)


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
    code, classes = shown.label, _classes(run)
    name = shown.name or "image"
    return f"{name} ({classes[code]})" if code is not None and 0 <= code < len(classes) else name


def _classes(run: RunRecords) -> list[str]:
    return list(run.gallery.classes)


def _finite(values: Sequence[Any]) -> list[float | int | None]:
    """Numbers as they are, anything else None."""
    return [value if number(value) is not None else None for value in values]
