"""Time and memory of a diagnosis of plain arrays.

    python benchmarks/diagnose.py                                     # 10,000 images x 8 views x 512, with labels
    python benchmarks/diagnose.py --images 1000000 --views 1 --file   # from disk, memory-mapped, without labels

The rows are Gaussian clusters, which no measurement finds easier than real features. Prints seconds, the peak of
resident memory, and beside it the time of one n x n x d matrix product, which dominates.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from contrascope.diagnosis.diagnosis import diagnose
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.runs.environment import environment
from contrascope.subjects.diagnose import diagnose_anything

CLASSES = 10


def rows(images: int, views: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    y = torch.arange(images) % CLASSES
    centres = torch.randn(CLASSES, dim, generator=source)
    base = centres[y] + torch.randn(images, dim, generator=source)
    return torch.stack([base + 0.5 * torch.randn(images, dim, generator=source) for _ in range(views)]), y


def to_disk(images: int, dim: int, folder: Path) -> Path:
    """An array on disk, written in blocks so that this process never holds it."""
    path = folder / "features.npy"
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(images, dim))
    for start in range(0, images, 50_000):
        stop = min(start + 50_000, images)
        array[start:stop] = rows(stop - start, 1, dim)[0][0].numpy()
    array.flush()
    return path


def product_seconds(images: int, dim: int) -> float:
    x = torch.randn(min(images, 10_000), dim)
    torch.mm(x, x.T)
    start = time.perf_counter()
    torch.mm(x, x.T)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--file", action="store_true", help="from a file, memory-mapped, without labels")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.file:
            path = to_disk(options.images, options.dim, Path(folder))
            start = time.perf_counter()
            settings = DiagnosisSettings(draws=options.draws)
            verdict = diagnose_anything(str(path), None, settings=settings).diagnosis.verdict
        else:
            h, y = rows(options.images, options.views, options.dim)
            start = time.perf_counter()
            verdict = diagnose(h, labels=y, draws=options.draws).verdict
        seconds = time.perf_counter() - start
    result = {
        "shape": [options.views, options.images, options.dim],
        "sound": str(verdict.sound),
        "learning": str(verdict.learning),
        "seconds": round(seconds, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "seconds_of_one_product": round(product_seconds(options.images, options.dim), 2),
        "environment": environment(torch.device("cpu")),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
