"""The map of gallery.json: a point an image, with the table that stands for it."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from contrascope.records.entry import Tree
from contrascope.reports.blocks import Map, Table, sample, short
from contrascope.reports.load import RunRecords, number

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
    data = {"places": places, "columns": held, "classes": list(run.gallery.classes), "count": count}
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
    names = list(run.gallery.classes) if key == "label" else []
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


def _finite(values: Sequence[Any]) -> list[float | int | None]:
    """Numbers as they are, anything else None."""
    return [value if number(value) is not None else None for value in values]
