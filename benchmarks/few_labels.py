"""Do a few labels decide whether an encoder is useful, and rightly? The tables of docs/few-labels.md.

    python benchmarks/few_labels.py --features runs/verdict/features --out runs/few-labels

Reads the features that `verdict_embed.py` wrote (encoders on ten sets, with their random twins). Labels 50,
200 and 800 images at random, several times, and asks `few_labels`. The truth is the sign of the gain in kNN accuracy
(k=20, leave-one-out) over the twin with all labels of bank and test images, where it is beyond its interval; the other
encoders are ties. The baseline is the paired leave-one-out kNN (k=5): right less right, +- 1.96 standard errors.
Ten minutes on one core; encoders that were judged are read back. `--show` only prints.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from safetensors.torch import load_file
from torch import Tensor

from contrascope.errors import InputError
from contrascope.evaluation.few.choose import spread_images
from contrascope.evaluation.few.compare import few_labels
from contrascope.evaluation.few.pixels import small_pixels
from contrascope.linalg import unit_rows

COUNTS = {50: 4, 200: 2, 800: 1}
"""Labels, and how many times so many are drawn."""
NEIGHBOURS, TEMPERATURE = 20, 0.1
Rows = Float[Tensor, "n dim"]


def hits(h: Rows, y: Int[Tensor, " n"], k: int) -> Float64[Tensor, " n"]:
    """Whether the k nearest others vote for an image's class."""
    rows = unit_rows(h)
    found = []
    for start in range(0, len(rows), 512):
        cosine = rows[start : start + 512] @ rows.T
        cosine[torch.arange(len(cosine)), torch.arange(start, start + len(cosine))] = -2
        near = cosine.topk(min(k, len(rows) - 1), dim=1)
        weight = ((near.values - near.values[:, :1]) / TEMPERATURE).exp()
        votes = torch.zeros(len(cosine), int(y.max()) + 1).scatter_add_(1, y[near.indices], weight)
        found.append(votes.argmax(dim=1) == y[start : start + 512])
    return torch.cat(found).double()


def paired(own: Float64[Tensor, " n"], other: Float64[Tensor, " n"]) -> tuple[float, float]:
    """Mean difference, and how many standard errors it is from 0."""
    difference = own - other
    error = float(difference.std()) / len(own) ** 0.5
    return float(difference.mean()), float(difference.mean()) / error if error > 0 else 0.0


@lru_cache(maxsize=2)
def images_of(folder: Path, name: str) -> dict[str, Tensor]:
    found = load_file(folder / f"{name}_images.safetensors")
    small = [small_pixels(found[part]) for part in ("bank", "test")]
    return {"bank": small[0], "test": small[1], "y": torch.cat([found["bank y"], found["test y"]])}


@lru_cache(maxsize=4)
def rows_of(file: Path) -> tuple[Tensor, Tensor]:
    """Features of the clean bank and of bank and test."""
    found = load_file(file)
    return found["bank"], torch.cat([found["bank"], found["test"]])


def judged(folder: Path, about: dict[str, Any], file: Path) -> dict[str, Any]:
    (bank, whole), (twin, twin_whole) = rows_of(file), rows_of(folder / about["twin"])
    images = images_of(folder, about["set"])
    y, pixels = images["y"], images["bank"]
    right, right_twin = (hits(rows, y, NEIGHBOURS) for rows in (whole, twin_whole))
    right_pixels = hits(torch.cat([pixels, images["test"]]), y, NEIGHBOURS)
    truth, beside = paired(right, right_twin), paired(right, right_pixels)
    rows = []
    for count, draws in COUNTS.items():
        for draw in range(draws if count < len(bank) else 0):
            order = torch.randperm(len(bank), generator=torch.Generator().manual_seed(draw))
            chosen = {"random": order[:count]}
            if draw == 0 and count < max(COUNTS):
                chosen["spread"] = spread_images(bank, count, seed=draw)
            for how, ids in chosen.items():
                rows.append({"labels": count, "how": how, **asked(bank, twin, pixels, y, ids)})
    return {
        "name": about["name"],
        "set": about["set"],
        "truth": truth,
        "pixels": beside,
        "knn": [float(right.mean()), float(right_twin.mean()), float(right_pixels.mean())],
        "rows": rows,
    }


def asked(bank: Rows, twin: Rows, pixels: Rows, y: Tensor, ids: Tensor) -> dict[str, Any]:
    labels = y[ids]
    base = paired(hits(bank[ids], labels, 5), hits(twin[ids], labels, 5))
    found = few_labels(bank[ids], labels, twin=twin[ids], pixels=pixels[ids])
    parts = {}
    for key, one in (("twin", found.twin), ("pixels", found.pixels)):
        assert one is not None
        parts[key] = [one.gain.value, one.error, one.sign]
    return {"baseline": base, "answer": found.answer, "more": found.more, **parts}


def encoders(folder: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """In an order that mixes the sets, so that a part is a sample of all."""
    files = sorted(folder.glob("*.json"))
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(0)).tolist()
    for path in (files[place] for place in order):
        about = json.loads(path.read_text())
        file = path.with_suffix(".safetensors")
        if "twin" in about and file.exists() and (folder / about["twin"]).exists():
            yield about, file


def measure(folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for about, file in encoders(folder):
        path = out / f"{file.stem}.json"
        if path.exists():
            continue
        try:
            found = judged(folder, about, file)
        except InputError as error:  # numbers that are not finite: no sound encoder, nothing to ask
            found = {"name": about["name"], "set": about["set"], "refused": str(error)}
        path.write_text(json.dumps(found))
        print(about["name"], found.get("truth", "refused"), flush=True)


def show(out: Path) -> None:
    found = [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]
    kept = [one for one in found if "refused" not in one]
    print(f"{len(kept)} encoders, {len(found) - len(kept)} refused (values not finite)")
    for against, key in (("the random twin", "truth"), ("raw pixels", "pixels")):
        sure = sum(abs(one[key][1]) > 1.96 for one in kept)
        print(f"\nAgainst {against}: {sure} with a sure sign, {len(kept) - sure} ties")
        print("| labels | images | rule | decided | right of decided | ties decided | ")
        print("| --- | --- | --- | --- | --- | --- |")
        for count in COUNTS:
            for how in ("random", "spread"):
                for rule in ("baseline", "few labels"):
                    if cells := table_row(kept, key, count, how, rule):
                        print(f"| {count} | {how} | {rule} | {cells} |")
    print("\nBy set, against the twin, random images, decided / right: baseline, few labels")
    for name in sorted({one["set"] for one in kept}):
        mine = [one for one in kept if one["set"] == name]
        for count in COUNTS:
            both = [table_row(mine, "truth", count, "random", rule) for rule in ("baseline", "few labels")]
            print(f"| {name} | {count} | {both[0]} | {both[1]} |")


def table_row(kept: list[dict[str, Any]], key: str, count: int, how: str, rule: str) -> str:
    """Shares of (encoder, draw), every encoder with the same weight."""
    sums: dict[str, float] = defaultdict(float)
    for one in kept:
        rows = [row for row in one["rows"] if row["labels"] == count and row["how"] == how]
        if not rows or (rule == "baseline" and key == "pixels"):
            continue
        signs = [sign(row, key, rule) for row in rows]
        decided = sum(map(abs, signs)) / len(signs)
        gain, away = one[key]
        sums["all"] += 1
        sums["decided"] += decided
        if abs(away) > 1.96:
            sums["sure"] += 1
            sums["sure decided"] += decided
            sums["right"] += sum(s * gain > 0 for s in signs) / len(signs)
        else:
            sums["ties"] += 1
            sums["ties decided"] += decided
    if not sums["all"]:
        return ""
    right = sums["right"] / sums["sure decided"] if sums["sure decided"] else float("nan")
    ties = sums["ties decided"] / sums["ties"] if sums["ties"] else float("nan")
    return f"{sums['decided'] / sums['all']:.2f} | {right:.3f} | {ties:.2f}"


def sign(row: dict[str, Any], key: str, rule: str) -> int:
    if rule == "baseline":
        away = row["baseline"][1]
        return 0 if abs(away) <= 1.96 else (1 if away > 0 else -1)
    return row["twin" if key == "truth" else "pixels"][2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=Path, default=Path("runs/verdict/features"))
    parser.add_argument("--out", type=Path, default=Path("runs/few-labels"))
    parser.add_argument("--show", action="store_true", help="measure nothing, print what was measured")
    options = parser.parse_args()
    if not options.show:
        measure(options.features, options.out)
    show(options.out)


if __name__ == "__main__":
    main()
