"""What was found in a folder, as tables and as pages to look at."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from contrascope.curation.clusters import Clusters
from contrascope.curation.duplicates import Duplicates, Pair
from contrascope.curation.neighbours import NearImages
from contrascope.curation.outliers import Outliers
from contrascope.curation.rows import NamedRows
from contrascope.data.folders.layout import counted
from contrascope.data.folders.names import shown_name
from contrascope.data.pictures.thumbnails import picture_address
from contrascope.features.table import cell
from contrascope.records.inside import inside, whole_file
from contrascope.reports.pictures import PictureRow, PictureTile, write_pictures_page

SIDE = 128
"""Of a thumbnail in px."""
MOST_ROWS = 100
"""Rows of pictures on a page."""
MOST_TILES = 24
"""Pictures of a row."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Where it lies."""

    page: Path | None
    """The page; None where there are no images to show."""
    table: Path | None
    """The table; None where there is none."""


def write_neighbours(found: NearImages, out: Path) -> Findings:
    """`neighbours.html`: the query and its neighbours."""
    near = zip(found.index.tolist(), found.cosine.tolist(), strict=True)
    query = _tile(found.query, 0, "asked for")
    tiles = (query, *(_tile(found.rows, row, f"{cosine:.4f}") for row, cosine in near))
    page = _page(
        [PictureRow(title=f"Nearest to {shown_name(found.query.names[0])}", tiles=_shown(tiles))],
        out,
        "neighbours.html",
        rows=found.rows,
        title=f"{len(found.index)} nearest images",
        notes=["Numbers are cosines of encoder outputs, 1 at most."],
    )
    return Findings(page=page, table=None)


def write_duplicates(found: Duplicates, out: Path) -> Findings:
    """`duplicates.csv`, a row a pair, and `duplicates.html`, a row of pictures a group."""
    group = {row: at for at, rows in enumerate(found.groups) for row in rows}
    second = found.rows if found.other is None else found.other
    table = _table(
        out,
        "duplicates.csv",
        ("file", "like", "kind", "similarity", "group"),
        (
            (
                found.rows.names[pair.first],
                second.names[pair.second],
                pair.kind,
                f"{pair.similarity:.6f}",
                str(group.get(pair.first, "")),
            )
            for pair in found.pairs
        ),
    )
    page = _page(
        _groups(found) if found.other is None else _across(found, found.other),
        out,
        "duplicates.html",
        rows=found.rows,
        title=counted(len(found.pairs), "pair") + " of duplicates",
        notes=found.rules,
    )
    return Findings(page=page, table=table)


def write_outliers(found: Outliers, out: Path, *, count: int) -> Findings:
    """`outliers.csv`, all images in the order of their score, and `outliers.html` with the first `count`."""
    table = _table(
        out,
        "outliers.csv",
        ("file", "score", "far_out"),
        (
            (found.rows.names[row], f"{score:.6f}", "yes" if score > found.fence else "")
            for row, score in zip(found.order.tolist(), found.score[found.order].tolist(), strict=True)
        ),
    )
    first = found.order[:count].tolist()
    tiles = tuple(_tile(found.rows, row, f"{float(found.score[row]):.4f}") for row in first)
    page = _page(
        [PictureRow(title=f"The {len(tiles)} farthest of {len(found.rows)} images", tiles=_shown(tiles))],
        out,
        "outliers.html",
        rows=found.rows,
        title=f"{found.far} images far out",
        notes=[found.rule],
    )
    return Findings(page=page, table=table)


def write_clusters(found: Clusters, out: Path) -> Findings:
    """`clusters.csv`, a row an image, and `clusters.html` with the most typical images of every group."""
    table = _table(
        out,
        "clusters.csv",
        ("file", "cluster", "similarity"),
        (
            (name, str(cluster), f"{cosine:.6f}")
            for name, cluster, cosine in zip(
                found.rows.names, found.cluster.tolist(), found.cosine.tolist(), strict=True
            )
        ),
    )
    rows = [
        PictureRow(
            title=f"Cluster {at}: {size} images, the most typical first",
            tiles=_tiles(found.rows, found.typical(at, MOST_TILES // 2).tolist()),
        )
        for at, size in enumerate(found.sizes[:MOST_ROWS])
    ]
    title = f"{len(found.sizes)} clusters of {len(found.rows)} images"
    page = _page(rows, out, "clusters.html", rows=found.rows, title=title, notes=[f"{found.rule}."])
    return Findings(page=page, table=table)


def _groups(found: Duplicates) -> list[PictureRow]:
    return [
        PictureRow(title=f"Group {at}: {len(group)} images", tiles=_tiles(found.rows, group[:MOST_TILES]))
        for at, group in enumerate(found.groups[:MOST_ROWS])
    ]


def _across(found: Duplicates, other: NamedRows) -> list[PictureRow]:
    def row(pair: Pair) -> PictureRow:
        ends = (_tile(found.rows, pair.first, found.rows.about), _tile(other, pair.second, other.about))
        return PictureRow(title=f"{pair.kind}, similarity {pair.similarity:.4f}", tiles=_shown(ends))

    return [row(pair) for pair in found.pairs[:MOST_ROWS]]


def _tiles(rows: NamedRows, places: Sequence[int]) -> tuple[PictureTile, ...]:
    return _shown([_tile(rows, place, "") for place in places])


def _shown(tiles: Iterable[PictureTile | None]) -> tuple[PictureTile, ...]:
    return tuple(tile for tile in tiles if tile is not None)


def _tile(rows: NamedRows, row: int, note: str) -> PictureTile | None:
    if rows.images is None:
        return None
    picture = rows.images.gather(torch.tensor([row]))[0].float() / 255
    return PictureTile(name=shown_name(rows.names[row]), note=note, picture=picture_address(picture, SIDE))


def _page(
    shown: Sequence[PictureRow], out: Path, name: str, *, rows: NamedRows, title: str, notes: Sequence[str]
) -> Path | None:
    """None where the rows have no images."""
    if rows.images is None:
        return None
    more = [f"The first {MOST_ROWS} rows are shown; the table has all."] if len(shown) >= MOST_ROWS else []
    return write_pictures_page(shown, inside(out, name), title=title, about=rows.about, notes=[*notes, *more])


def _table(out: Path, name: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    with whole_file(inside(out, name)) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([cell(one) for one in row] for row in rows)
    return out / name
