"""The map of embeddings for gallery.json: places, colours and thumbnails of the points."""

import importlib
import importlib.util
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from contrascope.data.pictures.thumbnails import resized, sheets
from contrascope.gallery.part import GallerySettings, Part
from contrascope.linalg import principal, unit_rows
from contrascope.progress import to_stderr
from contrascope.theory.factors.pseudo import pseudo_classes


def embedding_map(parts: dict[str, Part], settings: GallerySettings) -> dict[str, Any]:
    """Places and colours of the points; a column each."""
    held = list(parts.values())
    rows = unit_rows(torch.cat([part.h for part in held]))
    place, explained = principal(rows)
    classes = pseudo_classes(rows, seed=settings.seed)
    labels = [part.images.y for part in held]
    found: dict[str, Any] = {
        "pca": {**_xy(place), "explained": explained},
        "pseudo": classes.labels.tolist(),
        "pseudo_rule": f"{classes.rule[:1].upper()}{classes.rule[1:]}.",
        "alignment": _rounded(torch.cat([part.alignment for part in held])),
        "split": [number for number, part in enumerate(held) for _ in range(len(part.ids))],
        "splits": list(parts),
        "id": torch.cat([part.ids for part in held]).tolist(),
    }
    if any(part.images.has_names for part in held):
        found["names"] = [name for part in held for name in part.names]
    if all(y is not None for y in labels):
        found["label"] = torch.cat([y for y in labels if y is not None]).tolist()
    umap = _umap()
    if umap is not None:
        reducer = umap.UMAP(random_state=settings.seed, n_jobs=1)
        found["umap"] = _xy(torch.as_tensor(reducer.fit_transform(rows.numpy())))
    return found


def _umap() -> ModuleType | None:
    """The package, None where it is not installed or cannot be imported, which is said."""
    if importlib.util.find_spec("umap") is None:
        return None
    try:
        return importlib.import_module("umap")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        to_stderr(f"umap cannot be imported ({error}); the map has PCA alone.")
        return None


def _xy(place: Tensor) -> dict[str, list[float]]:
    return {"x": _rounded(place[:, 0]), "y": _rounded(place[:, 1])}


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]


def map_tiles(parts: list[Part], first: int) -> tuple[list[int], list[dict[str, Any]]]:
    """A tile for every point, small enough that all of them fit in a mail."""
    count = sum(len(part.ids) for part in parts)
    side, quality = (32, 75) if count <= 6000 else (24, 60)
    tiles = []
    for part in parts:
        for _, pixels in part.images.batches(torch.arange(len(part.ids)), 512):
            tiles.append(resized(pixels.cpu().float() / 255, side))
    return list(range(first, first + count)), sheets(torch.cat(tiles), first=first, quality=quality)
