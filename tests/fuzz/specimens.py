"""A folder with one of everything that is read back: a run that goes on, an advice, exports, features, policies."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import load_file

from contrascope import records
from contrascope.advice.advise import advise
from contrascope.advice.settings import AdviseSettings
from contrascope.augment.flip import HorizontalFlip
from contrascope.augment.jitter import ColorJitter
from contrascope.augment.policy_file import write_policy
from contrascope.augment.settings import ListedPolicy, PolicySettings
from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import GeometryProbeSettings, MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings, TransferProtocol
from contrascope.jobs.embed import embed_to_file
from contrascope.jobs.export import ExportSettings, export_run
from contrascope.jobs.train import train
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.gallery import GalleryRecord
from contrascope.records.geometry import GeometryRecord
from contrascope.records.kinds import BadImageEntry, BadImagesRecord, BestRecord
from contrascope.records.sweeps import (
    AxisEntry,
    FinalScoreEntry,
    MarkEntry,
    RungEntry,
    SweepRecord,
    TrialEntry,
)
from contrascope.records.typed import read_record, write_record
from contrascope.runs.settings import RunSettings
from contrascope.settings import to_json
from contrascope.suites.run import evaluate_suite
from contrascope.training.settings import ScheduleSettings, TrainingSettings

OLD = Path(__file__).parents[1] / "runs" / "format0"
"""Folders of version 0.1, whose records are rewritten in today's form."""
ADVISE = AdviseSettings(images=32, per_class=3, classes=2, views=2, draws=2, candidates=2, pool=50)
AUGMENTED = AugmentedSettings(corruptions=("noise",), severities=(1,), references=False)
TRANSFER = TransferProtocol(
    penalties=2, powers=(-1.0, 1.0), bootstrap=5, shots=(1,), draws=2, references=False
)
TRAINED = "reference.safetensors"
"""The weights of the run at its end, had nothing been damaged."""


def pictures(folder):
    """Forty-eight pictures to learn from and sixteen to test on, of two classes."""
    rng, held = np.random.default_rng(0), {}
    for part, count in (("train", 48), ("test", 16)):
        y = np.arange(count) % 2
        pixels = rng.integers(0, 90, (count, 8, 8, 1)) + 80 * y[:, None, None, None]
        held |= {f"{part}_images": pixels.astype(np.uint8), f"{part}_labels": y}
    np.savez(folder / "pictures.npz", **held)
    return DataSettings(source=str(folder / "pictures.npz"))


def settings_for(data):
    return RunSettings(
        data=data,
        policy=PolicySettings(name="mirror", ops=(HorizontalFlip(p=0.5), ColorJitter(brightness=0.4))),
        encoder=EncoderSettings(name="convnet", width=2),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(8,), out=4)),
        training=TrainingSettings(epochs=2, batch_size=16, keep_last=9, log_every=1),
        protocol=Protocol(k=5, probe_grid=(0.1,), bootstrap=5, draws=3, probes=("knn",)),
        monitor=MonitorSettings(times=2, images=16),
        geometry=GeometryProbeSettings(times=0),
    )


def interrupted_run(folder, data):
    """A run of two epochs that was continued for four, with every record; its last checkpoint is taken away."""
    run, settings = folder / "run", settings_for(data)
    train(settings, run)
    longer = replace(
        settings,
        training=replace(settings.training, epochs=4),
        schedule=ScheduleSettings(continuation="restart"),
    )
    train(longer, run, resume=True)
    if not (run / records.BEST).exists():  # so short a run is not learning, and has no best checkpoint
        step, _ = records.checkpoint_folders(run)[0]
        write_record(run / records.BEST, BestRecord(step=step, score=0.1))
    _, last = records.checkpoint_folders(run)[-1]
    shutil.copy(last / "method.safetensors", folder / TRAINED)
    shutil.rmtree(last)
    for kind in (DiagnosisRecord, GeometryRecord, GalleryRecord):
        write_record(run / kind.FILE, read_record(kind, OLD / "digits-simclr" / kind.FILE).record)
    bad = BadImageEntry(name="a.png", reason="truncated")
    write_record(run / BadImagesRecord.FILE, BadImagesRecord(count=1, images=(bad,)))
    return run


def measured(run, data):
    """What the suites keep, each stopped before its end."""
    evaluate_suite("augmented", str(run), data, augmented=AUGMENTED, out=run, say=lambda text: None)
    evaluate_suite(
        "transfer", str(run), data, sets=(data.source,), transfer=TRANSFER, out=run, say=lambda text: None
    )


def other_files(folder, run, data):
    """Policies, features, an export and the rows of a benchmark."""
    mirror = PolicySettings(name="mirror", size=8, ops=(HorizontalFlip(p=0.25), ColorJitter(hue=0.1)))
    write_policy(folder / "policy.json", mirror)
    sides = tuple(ListedPolicy(name=f"side {place}", ops=mirror.ops) for place in (1, 2))
    write_policy(folder / "pair.json", PolicySettings(name="pair", policies=sides))
    for suffix in (".safetensors", ".npz", ".npy"):
        embed_to_file(str(run), data, folder / f"features{suffix}")
    h = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    table = {"h": list(h), "label": np.arange(20) % 2}
    pq.write_table(pa.table(table), folder / "features.parquet")
    export_run(run, ExportSettings(to="safetensors"), out=folder / "export")
    rows = [{"run": "a", "epoch": at, "h alignment": [0.1 * at, 0.0, 0.5]} for at in range(1, 4)]
    (folder / "rows.json").write_text(json.dumps(rows))


def a_sweep(folder, data):
    """The record of a sweep with two trials that nobody trained."""
    tree, trials = to_json(settings_for(data)), []
    for place, value in enumerate(("0.1", "0.5")):
        mark = MarkEntry(
            epoch=2, knn_held_out=0.5 + 0.1 * place, label_free=0.1, sound="sound", learning="learning"
        )
        trial = TrialEntry(
            name=f"seed=0-temperature={value}",
            seed="0",
            values={"method.temperature": value},
            settings=tree,
            state="finished",
            starts=1,
            marks=(mark,),
            test=FinalScoreEntry(value=0.5, low=0.4, high=0.6, split="test"),
        )
        trials.append(trial)
    rung = RungEntry(epoch=1, by="knn_held_out", kept=("temperature=0.1",), dropped=())
    axis = AxisEntry(path="method.temperature", values=("0.1", "0.5"))
    folder.mkdir()
    write_record(folder / SweepRecord.FILE, SweepRecord(grid=(axis,), trials=tuple(trials), rungs=(rung,)))


def everything(folder):
    """Makes the folder of specimens; returns it."""
    data = pictures(folder)
    run = interrupted_run(folder, data)
    measured(run, data)
    other_files(folder, run, data)
    advise(data, labels="labels", budget=0.0, out=folder / "advised.json", settings=ADVISE)
    a_sweep(folder / "sweep", data)
    shutil.copytree(run, folder / "other")
    shutil.copytree(OLD / "digits-simclr", folder / "old")
    return folder


def weights(folder):
    """Weights by step: those of every whole checkpoint of the run, and those of its end."""
    found = {
        step: load_file(at / "method.safetensors") for step, at in records.checkpoint_folders(folder / "run")
    }
    return {**found, "end": load_file(folder / TRAINED)}
