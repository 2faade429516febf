"""Which label-free score ranks the checkpoints of a run as kNN does? Table of docs/diagnose.md.

    python benchmarks/curves.py runs/cifar10/cifar10-*-cpu-own-seed* --out curves
    python benchmarks/checkpoint_scores.py curves.json

Spearman's rank correlation of each score with kNN over the checkpoints of each run, and how many points of kNN are lost
by taking the checkpoint with the best score instead of the one with the best kNN.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from rank_correlation import spearman

from contrascope import records

LAYERS = {"h": "encoder", "z": "projector"}


def correlations(rows: list[dict[str, Any]], layer: str, score: str) -> dict[str, tuple[float, float]]:
    """Rank correlation and points of kNN lost, for each run with at least three checkpoints."""
    found = {}
    for run in dict.fromkeys(row["run"] for row in rows):
        mine = [row for row in rows if row["run"] == run and row["epoch"] > 0]
        pairs = [(row[f"{layer} scores"][score], row["kNN"]) for row in mine]
        if len(pairs) < 3 or any(value is None for value, _ in pairs):
            continue
        values, accuracies = zip(*pairs, strict=True)
        chosen = max(pairs)[1]
        found[run] = (spearman(values, accuracies), 100 * (max(accuracies) - chosen))
    return found


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| score | layer | runs | rank correlation, median (least) | points of kNN lost, mean (most) |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for layer, name in LAYERS.items():
        for score in rows[0][f"{layer} scores"]:
            found = correlations(rows, layer, score)
            if not found:
                continue
            ranks, lost = zip(*found.values(), strict=True)
            cells = [
                score,
                name,
                str(len(found)),
                f"{statistics.median(ranks):.2f} ({min(ranks):.2f})",
                f"{statistics.mean(lost):.1f} ({max(lost):.1f})",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("curves", type=Path, help="the JSON that benchmarks/curves.py wrote")
    print(table(records.read_json(parser.parse_args().curves)))


if __name__ == "__main__":
    main()
