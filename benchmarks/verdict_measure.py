"""Signals of every encoder of the bench, and what labels say of it: what rules are judged by, kept as records.

python benchmarks/verdict_measure.py --data FOLDER --out runs/verdict
"""

import argparse
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from verdict_embed import STANDARD, file_of, own_views, standard_views
from verdict_sets import BenchSet, bench_sets, images_of
from verdict_train import TWIN, Made, made, networks, policies

from contrascope import records
from contrascope.diagnosis.exhibits import Exhibits, Networks, ShownRows
from contrascope.diagnosis.learning_signals import learning_signals
from contrascope.diagnosis.networks import Reference, copies_in, signals_on
from contrascope.diagnosis.signals import finite_signals
from contrascope.evaluation.knn import KNNClassifier
from contrascope.settings import to_json

K = 10


def shown_of(rows: dict[str, Tensor], one: BenchSet) -> ShownRows:
    standard = {name: rows[name] for name in standard_views(one)}
    return ShownRows(h=rows["own"], z=rows.get("own z"), standard=standard, shuffled=rows["bait own"])


@cache
def twin_rows(file: Path) -> dict[str, Tensor]:
    return load_file(file)


@cache
def copies(one: BenchSet) -> float:
    return copies_in(images_of(one)[1])


def measured(encoder: Made, out: Path) -> dict[str, Any]:
    one, (train, test) = encoder.one, images_of(encoder.one)
    file = file_of(out, encoder.name)
    facts = records.read_json(file.with_suffix(".json"))
    rows, twin = load_file(file), twin_rows(out / "features" / facts["twin"])
    own = own_views(one, policies(one, encoder.case, train))
    exhibited = Exhibits(own=own, standard=standard_views(one), chosen=torch.arange(min(STANDARD, len(test))))
    drawn = networks(encoder.case, train, TWIN).eval()
    known = Networks(encoder=drawn.encoder, projector=drawn.projector)
    shown, theirs = shown_of(rows, one), shown_of(twin, one)
    layers = [
        finite_signals(part, statistics=own.statistics[0], draws=0, seed=0) for part in (theirs.h, theirs.z)
    ]
    reference = Reference(networks=known, shown=theirs, h=layers[0], z=layers[1])
    signals = signals_on(
        Networks(encoder=encoder.encoder, projector=encoder.projector),
        shown,
        reference,
        exhibited,
        draws=0,
        stopped=encoder.stopped,
        copies=copies(one),
    )
    if signals.learning is not None:
        signals = replace(signals, learning=learning_signals(shown, theirs, exhibited, draws=1))
    facts["method"] = encoder.case.method
    return facts | {"signals": to_json(signals), **labelled(rows, twin, one, out)}


def labelled(rows: dict[str, Tensor], twin: dict[str, Tensor], one: BenchSet, out: Path) -> dict[str, Any]:
    """KNN accuracy of encoder, twin and pixels, and the gain over the twin with its standard error over test images."""
    images = twin_rows(file_of(out, f"{one.name}/images"))
    y, asked = images["bank y"].long(), images["test y"].long()
    if not bool(torch.isfinite(rows["bank"]).all() and torch.isfinite(rows["test"]).all()):
        return {"knn": None}
    hits = {}
    for name, bank, test in (
        ("trained", rows["bank"], rows["test"]),
        ("random", twin["bank"], twin["test"]),
        ("pixels", images["bank"].flatten(1), images["test"].flatten(1)),
    ):
        hits[name] = (KNNClassifier(k=K, temperature=0.1).fit(bank, y).predict(test) == asked).double()
    gain = hits["trained"] - hits["random"]
    error = float(gain.std()) / math.sqrt(len(gain))
    return {
        "knn": {name: float(part.mean()) for name, part in hits.items()},
        "gain": float(gain.mean()),
        "error": error,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the photographs' sets in hub layout")
    parser.add_argument("--out", type=Path, default=Path("runs/verdict"))
    parser.add_argument("--part", default="0/1", help="every N-th set from the I-th: I/N")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    for place, one in enumerate(bench_sets(options.data)):
        if place % parts != part:
            continue
        for encoder in made(one, place, options.out, train_missing=False):
            file = file_of(options.out, encoder.name)
            path = options.out / "measured" / f"{file.stem}.json"
            if file.with_suffix(".json").exists() and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                records.write_json(path, measured(encoder, options.out))
                print(encoder.name, flush=True)


if __name__ == "__main__":
    main()
