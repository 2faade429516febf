"""The curves of benchmarks/curves.py in minutes: some CIFAR-10 images, two methods, one seed; resumable.

    OMP_NUM_THREADS=1 python benchmarks/curves_small.py --data FOLDER --out docs/figures/curves_small

Draws `--train-images` of the training images (keyed by seed 0; a copy in RUNS/data, all test images beside it) and
trains the CPU's recipes on them with the checkpoint of every epoch kept; the curves begin before the first step.
"""

import argparse
from pathlib import Path

import pyarrow.parquet as pq
import torch
from cifar10 import settings_of, timed_train
from curves import measure

from contrascope import records

RECIPES = ("cifar10-simclr-cpu", "cifar10-barlow-twins-cpu")


def some_of(data: Path, folder: Path, *, count: int) -> Path:
    """A copy of the set with `count` of its training images."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        (source,) = data.glob(f"{split}-*.parquet")
        if not (folder / source.name).exists():
            rows = pq.read_table(source)
            if split == "train":
                order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
                rows = rows.take(order[:count].tolist())
            pq.write_table(rows, folder / source.name)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10 in hub layout")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/curves-small"), help="where the runs are kept"
    )
    parser.add_argument("--out", type=Path, default=Path("curves_small"), help="OUT.json and OUT.svg")
    parser.add_argument("--train-images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    data = some_of(options.data, options.runs / "data", count=options.train_images)
    folders = [options.runs / f"{recipe}-seed0" for recipe in RECIPES]
    for recipe, folder in zip(RECIPES, folders, strict=True):
        settings = settings_of(
            recipe, data, seed=0, policy=None, epochs=options.epochs, train_images=options.train_images
        )
        if not (folder / records.EVALUATION).exists():
            timed_train(settings, folder)
    measure(folders, options.out.with_suffix(".json"), images=2000, policy="simclr-cifar", draws=200)


if __name__ == "__main__":
    main()
