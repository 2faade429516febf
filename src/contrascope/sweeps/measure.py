"""What a sweep reads off a run after so many epochs: kNN on held-out training images, the label-free score, answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from contrascope import records
from contrascope.data.open import open_images
from contrascope.diagnosis.score import score_of_row
from contrascope.jobs.probes import probes_of
from contrascope.precision import single_precision
from contrascope.records.kinds import EvaluationRecord
from contrascope.records.sweeps import FinalScoreEntry, MarkEntry
from contrascope.records.typed import read_record
from contrascope.runs.load import load_run, policies_for
from contrascope.runs.settings import RunSettings

KNN = "knn_held_out"
"""Key of the accuracy in a row of metrics.jsonl; it is never that of test images."""
TRAINED = "trained encoder"
"""The representation whose scores are a trial's."""


def mark_of(run: Path, settings: RunSettings, *, epoch: int, device: torch.device) -> MarkEntry:
    """The mark of a run that stands at the end of this epoch.

    What its metrics hold of that epoch is read. The rest is measured on its newest checkpoint: kNN where there are
    labels, and where there are none the monitor's answers. Nothing is written.
    """
    rows = [row for row in records.read_metrics(run / records.METRICS) if row.get("kind") == "probe"]
    now: dict[str, Any] = {}
    for row in rows:
        now |= row if row.get("epoch") == epoch else {}
    if now.get(KNN) is None:
        now |= _measured(run, settings, epoch=epoch, known=now, device=device)
    answered = now if "sound" in now else next((row for row in reversed(rows) if "sound" in row), {})
    return MarkEntry(
        epoch=epoch,
        knn_held_out=now.get(KNN),
        label_free=score_of_row(now),
        sound=str(answered.get("sound", "")),
        learning=str(answered.get("learning", "")),
    )


def final_score_of(run: Path) -> FinalScoreEntry | None:
    """KNN accuracy of a finished run on its test images, as its evaluation has it; None where none was measured."""
    path = run / records.EVALUATION
    if not path.exists():
        return None
    rows = read_record(EvaluationRecord, path).record.rows
    found = next((row for row in rows if (row.of, row.name) == (TRAINED, "knn")), None)
    if found is None or found.value is None:
        return None
    return FinalScoreEntry(value=found.value, low=found.low, high=found.high, split=found.split)


@single_precision()
def _measured(
    run: Path, settings: RunSettings, *, epoch: int, known: dict[str, Any], device: torch.device
) -> dict[str, Any]:
    """KNN, or without labels the monitor's row; of networks as they are at the newest checkpoint."""
    images = open_images(settings.data).to(device)
    policies = policies_for(settings.policy, images)
    method = load_run(run).method.to(device)
    asked = replace(
        settings,
        training=replace(settings.training, probe_every=1),
        monitor=replace(settings.monitor, times=0),
        geometry=replace(settings.geometry, times=0),
    )
    probes = probes_of(asked, images, policies, device)
    if not probes and "sound" not in known:
        each = replace(asked.monitor, times=settings.training.epochs)
        probes = probes_of(replace(asked, monitor=each), images, policies, device)
    found = [probe(method, epoch) for probe in probes]
    return {key: value for one in found if one is not None for key, value in one.row.items()}
