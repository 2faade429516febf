"""Speed and memory of the exact nearest neighbours beside the matrix product they need, in one run.

    python benchmarks/knn.py --bank 50000 --query 10000 --dim 512 --k 200

The product is the same blocks of `query @ bank.T`, written to one buffer and thrown away. Share =
product time / time, the middle of the rounds; extra = the rise of the process's peak memory above the inputs.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable

import torch

from contrascope.evaluation.knn import KNNClassifier
from contrascope.linalg import BLOCK_FLOATS, nearest


def product(query: torch.Tensor, bank: torch.Tensor) -> None:
    rows = min(len(query), max(16, BLOCK_FLOATS // len(bank)))
    out = bank.new_empty(rows, len(bank))
    for start in range(0, len(query), rows):
        part = query[start : start + rows]
        torch.mm(part, bank.T, out=out[: len(part)])


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("bank", 50_000), ("query", 10_000), ("dim", 512), ("k", 200), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    source = torch.Generator().manual_seed(0)
    bank = torch.randn(args.bank, args.dim, generator=source)
    query = torch.randn(args.query, args.dim, generator=source)
    y = torch.arange(args.bank) % 10
    product(query[:64], bank)
    before = peak_mb()
    nearest(query, bank, args.k)
    extra = peak_mb() - before
    classifier = KNNClassifier(k=args.k, temperature=0.1).fit(bank, y)
    calls = {
        "product": lambda: product(query, bank),
        "nearest": lambda: nearest(query, bank, args.k),
        "predict": lambda: classifier.predict(query),
    }
    times = {name: [] for name in calls}
    for _ in range(args.repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    middle = {name: statistics.median(several) for name, several in times.items()}
    share = {
        name: [a / b for a, b in zip(times["product"], several, strict=True)]
        for name, several in times.items()
    }
    flops = 2 * args.bank * args.query * args.dim
    report = {
        "settings": vars(args),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "torch": {"version": torch.__version__, "threads": torch.get_num_threads()},
        "seconds": times,
        "gflops": {name: round(flops / value / 1e9, 1) for name, value in middle.items()},
        "share_of_product_rate": {
            name: round(statistics.median(several), 3) for name, several in share.items()
        },
        "extra_mb_beyond_inputs": round(extra, 1),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
