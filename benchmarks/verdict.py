"""Does the verdict without labels tell broken runs from healthy ones? The confusion table of docs/results.md.

    python benchmarks/verdict.py --runs runs/verdict --seeds 2

Trains every case of `verdict_cases.py` (about half a minute each on two cores; finished ones are read back),
measures it without labels, asks for the verdict, and prints a table with the kNN accuracy of encoder and random
encoder beside it, which the verdict never sees. `--judge` only judges again what is measured; `--cifar` adds
the runs of `benchmarks/cifar10.py` in that folder, which are healthy ones on photographs.
"""

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from verdict_cases import Case, cases

from contrascope import records
from contrascope.data.imageset import ImageSet
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.networks import Networks, measure_networks
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.diagnosis.signals import Signals
from contrascope.diagnosis.verdict import judge
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.evaluation.knn import KNNClassifier
from contrascope.features.embed import embed
from contrascope.methods.base import Method
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.typed import read_record
from contrascope.runs.load import settings_of
from contrascope.settings import from_json, to_json
from contrascope.subjects.diagnose import diagnose_anything
from contrascope.training.loop import fit
from contrascope.training.settings import ScheduleSettings, TrainingSettings
from contrascope.training.views import image_views
from contrascope.training.watch import NonFiniteLossError

HEALTHY = {"healthy", "undecided"}
IMAGES, VIEWS = 1000, 4


def networks(case: Case, images: ImageSet, seed: int) -> Method:
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        channels, height, _ = images.shape
        encoder = build_encoder(EncoderSettings(name="convnet", width=16), channels=channels, size=height)
        return case.make(encoder)


def train(case: Case, images: ImageSet, seed: int, run: Path) -> tuple[Method, str | None]:
    """The trained networks and, if the loss stopped the run, why."""
    method = networks(case, images, seed)
    run.mkdir(parents=True, exist_ok=True)
    training = TrainingSettings(
        epochs=case.epochs, batch_size=case.batch, seed=seed, checkpoint_every=10**9, log_every=5
    )
    try:
        fit(
            method,
            images,
            image_views(method, case.policies(images.shape[0], images.shape[1]), images, training),
            run=run,
            training=training,
            optim=case.optim,
            schedule=ScheduleSettings(warmup_epochs=5.0),
            accelerator=Accelerator(mixed_precision="no"),
        )
    except NonFiniteLossError as error:
        return method, str(error)
    return method, None


def subject(method: Method) -> Networks:
    return Networks(encoder=method.encoder, projector=method.projector)


def run_case(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    train_set, test_set = (open_images(_split(case, split)) for split in ("train", "test"))
    method, stopped = train(case, train_set, seed, folder)
    twin = networks(case, train_set, seed + 1_000_003)
    signals = measure_networks(
        subject(method.eval()),
        subject(twin.eval()),
        train_set.select(torch.arange(min(IMAGES, len(train_set)))),
        case.policies(train_set.shape[0], train_set.shape[1]),
        num_views=VIEWS,
        seed=0,
        stopped=stopped,
    )
    scores = {
        name: knn(encoder, train_set, test_set, shuffled=case.labels == "shuffled", seed=seed)
        for name, encoder in (("trained", method.encoder), ("random", twin.encoder))
    }
    return {"signals": to_json(signals), "knn": scores}


def knn(encoder: nn.Module, train_set: ImageSet, test_set: ImageSet, *, shuffled: bool, seed: int) -> float:
    learn, test = embed(encoder, None, train_set), embed(encoder, None, test_set)
    y = learn.labels()
    if shuffled:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]
    if not bool(torch.isfinite(learn.h).all()):
        return float("nan")
    return float(KNNClassifier(k=20, temperature=0.1).fit(learn.h[0], y).score(test.h[0], test.labels()))


def _split(case: Case, split: str) -> DataSettings:
    return replace(case.data, split=split)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/verdict"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cifar", type=Path, help="folder of runs of benchmarks/cifar10.py")
    parser.add_argument("--only", help="only cases whose name contains this")
    parser.add_argument("--kind", choices=("broken", "healthy"), help="only these cases")
    parser.add_argument("--judge", action="store_true", help="judge what is measured, train nothing")
    options = parser.parse_args()
    rows = []
    for path in sorted(options.cifar.glob("*/" + records.EVALUATION)) if options.cifar else ():
        rows.append(finished_run(path.parent, options.runs))
        print(line(rows[-1]), flush=True)
    for seed in range(options.seeds):
        for case in cases():
            if not wanted(case, options.only, options.kind):
                continue
            folder = options.runs / f"{case.name.replace(' ', '-').replace(',', '').replace('/', '-')}-{seed}"
            path = folder / "measured.json"
            if not path.exists():
                if options.judge:
                    continue
                records.write_json(path, run_case(case, seed, folder))
            rows.append(judged(case, seed, records.read_json(path)))
            print(line(rows[-1]), flush=True)
    print(confusion(rows))


def finished_run(run: Path, folder: Path) -> dict[str, Any]:
    """A run that is called healthy because its kNN is above its random encoder's; the verdict does not see that."""
    path = folder / f"{run.name}.json"
    if not path.exists():
        found = diagnose_anything(str(run), None, labels="none", settings=DiagnosisSettings()).diagnosis
        records.write_json(path, {"signals": to_json(found.signals)})
    settings = settings_of(run)
    verdict = judge(from_json(Signals, records.read_json(path)["signals"]), method=settings.method)
    rows = read_record(EvaluationRecord, run / records.EVALUATION).require("rows").rows
    knn_of = {row.of.split()[0]: row.value for row in rows if row.name == "knn" and "encoder" in row.of}
    return {
        "case": run.name,
        "seed": settings.training.seed,
        "broken": False,
        "verdict": verdict.word,
        "evidence": verdict.evidence,
        "knn": knn_of,
    }


def wanted(case: Case, only: str | None, kind: str | None) -> bool:
    return (only is None or only in case.name) and (kind is None or case.broken == (kind == "broken"))


def judged(case: Case, seed: int, measured: dict[str, Any]) -> dict[str, Any]:
    verdict = judge(from_json(Signals, measured["signals"]), method=case.settings)
    return {
        "case": case.name,
        "seed": seed,
        "broken": case.broken,
        "verdict": verdict.word,
        "evidence": verdict.evidence,
        "knn": measured["knn"],
    }


def line(row: dict[str, Any]) -> str:
    wrong = row["broken"] == (row["verdict"] in HEALTHY)
    knn_text = " ".join(f"{name} {100 * value:.1f}" for name, value in row["knn"].items())
    truth = "broken" if row["broken"] else "healthy"
    mark = " <-- wrong" if wrong else ""
    return f"| {row['case']} | {row['seed']} | {truth} | {row['verdict']}{mark} | {knn_text} |"


def confusion(rows: list[dict[str, Any]]) -> str:
    count = Counter((row["broken"], row["verdict"]) for row in rows)
    words = sorted({row["verdict"] for row in rows})
    table = {
        truth: {word: count[broken, word] for word in words}
        for truth, broken in (("broken", True), ("healthy", False))
    }
    return json.dumps(table, indent=2)


if __name__ == "__main__":
    main()
