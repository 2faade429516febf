"""Copies of image sets with a coarse label beside the fine one, as Parquet: Figure 6 needs both."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from contrascope.data.drawn.shapes import SHAPES
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings

VEHICLES = (0, 1, 8, 9)
"""Classes of CIFAR-10: aeroplane, car, ship, lorry."""
KINDS = (59, 176, 194)
"""Where things, food and nature begin among the classes of Tiny-ImageNet, which are in WordNet's order: animals
(noun.animal), things (noun.artifact), food (noun.food, and one comic book), nature (noun.object, and an acorn)."""
ROUND = ("disc", "half_disc", "ring")
COARSE = {"cifar10": "vehicle", "tiny-imagenet": "kind", "shapes": "round"}
"""Set -> its coarse column. `kind`: 0 animal, 1 thing, 2 food, 3 nature; the others are 0 and 1."""


def with_coarse(name: str, data: Path | None, folder: Path) -> tuple[Path, str]:
    """A copy of the set `name` in a folder, made if it is not there, and its label columns."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for split, tables in sources(name, data).items():
        path = folder / f"{split}-00000-of-00001.parquet"
        if path.exists():
            continue
        rows = pa.concat_tables(one.replace_schema_metadata(None) for one in tables)
        coarse = pa.array([coarse_label(name, label) for label in rows["label"].to_pylist()])
        pq.write_table(rows.append_column(COARSE[name], coarse), path)
    return folder, f"label,{COARSE[name]}"


def coarse_label(name: str, label: int) -> int:
    if name == "cifar10":
        return int(label in VEHICLES)
    if name == "shapes":
        return int(SHAPES[label] in ROUND)
    return sum(label >= first for first in KINDS)


def sources(name: str, data: Path | None) -> dict[str, Iterable[pa.Table]]:
    """Split -> its tables, lazily. Of Tiny-ImageNet every half of its train images is class-balanced: one is taken."""
    if name == "shapes":
        return {split: map(drawn, [split]) for split in ("train", "test")}
    if data is None or not list(data.glob("train-*.parquet")):
        raise SystemExit(f"--coarse {name} needs --data, a folder with train-*.parquet; got {data}.")
    train = sorted(data.glob("train-*.parquet"))
    test = sorted([*data.glob("test-*.parquet"), *data.glob("validation-*.parquet")])
    kept = train[:1] if name == "tiny-imagenet" else train
    return {"train": map(pq.read_table, kept), "test": map(pq.read_table, test)}


def drawn(split: str) -> pa.Table:
    """The built-in shapes as a table."""
    images = open_images(DataSettings(source="shapes", split=split))
    pixels = images.gather(torch.arange(len(images)))
    return pa.table({"image": [png(image) for image in pixels], "label": images.labels["shape"].tolist()})


def png(image: torch.Tensor) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}
