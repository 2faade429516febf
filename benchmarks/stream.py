"""Peak memory and speed of one epoch over generated JPEGs that stream from memory-mapped Arrow.

    python benchmarks/stream.py --images 100000 --side 224 --folder /tmp/jpegs            # reads one epoch
    python benchmarks/stream.py --images 100000 --side 224 --folder /tmp/jpegs --train    # trains one epoch

Writes the images once (hub layout, in another process: its memory does not count), opens them, and reads
one epoch in random order, or trains one with the recipe `folder-simclr` as it fits itself to these images.
Prints one JSON line; fails if the peak exceeds --limit-mb.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.jobs.train import train
from contrascope.runs.facts import look
from contrascope.runs.recipes import find_recipe

PER_GROUP = 100


def generate(folder: Path, images: int, side: int) -> None:
    """Smooth random pictures, enlarged from 14 x 14 with some noise: about 10 kB each at 224 px."""
    rng = np.random.default_rng(0)
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": image, "label": pa.int64()})
    partial = folder / "train.partial"
    noise = rng.normal(0, 6, (side + 64, side + 64, 3))
    with pq.ParquetWriter(partial, schema) as writer:
        for start in range(0, images, PER_GROUP):
            rows = range(start, min(start + PER_GROUP, images))
            data = [jpeg(rng, side, noise) for _ in rows]
            struct = pa.array([{"bytes": item, "path": None} for item in data], image)
            writer.write_table(
                pa.table({"image": struct, "label": [row % 10 for row in rows]}, schema=schema)
            )
    partial.rename(folder / "train-00000-of-00001.parquet")


def jpeg(rng: np.random.Generator, side: int, noise: np.ndarray) -> bytes:
    small = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8))
    large = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    top, left = rng.integers(0, 64, 2)
    pixels = (large + noise[top : top + side, left : left + side]).clip(0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return file.getvalue()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(settings: DataSettings, options: argparse.Namespace) -> dict[str, Any]:
    start = time.perf_counter()
    images = open_images(settings, cache_dir=options.folder / "arrow")
    opened, after_open = time.perf_counter() - start, peak_mb()
    start, total = time.perf_counter(), 0.0
    for _, batch in images.batches(torch.randperm(len(images)), options.batch):
        total += float(batch[:, :, ::32, ::32].float().mean())
    return {
        "set": repr(images),
        "peak_mb_opened": round(after_open),
        "open_s": round(opened, 1),
        "images_per_s": round(len(images) / (time.perf_counter() - start)),
    }


def trained(settings: DataSettings, options: argparse.Namespace) -> dict[str, Any]:
    recipe = find_recipe("folder-simclr")
    assert recipe.adapt is not None
    fitted = recipe.adapt(replace(recipe.make(), data=replace(settings, labels="none")), look(settings))
    chosen = replace(fitted, training=replace(fitted.training, epochs=1))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as run:
        train(chosen, Path(run) / "run")
    seconds = time.perf_counter() - start
    return {
        "side": chosen.data.size,
        "batch": chosen.training.batch_size,
        "encoder": chosen.encoder.name,
        "images_per_s": round(options.images / seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget-mb", type=int, default=512)
    parser.add_argument("--limit-mb", type=int, default=2048)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--train", action="store_true", help="train one epoch of folder-simclr")
    options = parser.parse_args()
    folder = options.folder / f"{options.images}x{options.side}"
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.parquet")):
        writer = multiprocessing.get_context("spawn").Process(
            target=generate, args=(folder, options.images, options.side)
        )
        writer.start()
        writer.join()
    settings = DataSettings(
        source=str(folder), memory_budget_mb=options.budget_mb, workers=options.workers, labels="label"
    )
    before = peak_mb()
    report = (trained if options.train else read)(settings, options)
    report["encoded_mb"] = round(sum(file.stat().st_size for file in folder.glob("*.parquet")) / 2**20)
    print(json.dumps({"peak_mb_imports": round(before), **report, "peak_mb": round(peak_mb())}))
    if peak_mb() > options.limit_mb:
        raise SystemExit(f"peak {peak_mb():.0f} MB is above the limit of {options.limit_mb} MB")


if __name__ == "__main__":
    main()
