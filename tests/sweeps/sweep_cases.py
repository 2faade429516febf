"""Grids of tiny runs, an engine that trains nothing, and records that nobody measured."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace

from contrascope.data.settings import DataSettings
from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.evaluation.protocol import Protocol
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.records.sweeps import (
    FINISHED,
    PAUSED,
    AxisEntry,
    FinalScoreEntry,
    MarkEntry,
    OutcomeRecord,
    SweepRecord,
    TrialEntry,
)
from contrascope.records.typed import write_record
from contrascope.runs.settings import RunSettings
from contrascope.settings import to_json
from contrascope.sweeps.grid import Axis, Grid, make_grid, name_of
from contrascope.training.settings import TrainingSettings

TINY = [
    *("--encoder.width", "4", "--method.projector.hidden", "8", "--method.projector.out", "8"),
    *("--training.batch-size", "64", "--training.log-every", "1", "--protocol.probes", "knn"),
    *("--training.checkpoint-every", "5"),
]


def settings(**training):
    return RunSettings(
        data=DataSettings(source="digits"),
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(temperature=0.5, projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(batch_size=64, **{"epochs": 8, **training}),
        protocol=Protocol(k=5, probes=("knn",)),
        monitor=MonitorSettings(times=1, images=32),
    )


def grid(temperatures=("0.1", "0.2"), seeds=("0", "1"), base=None):
    """A grid whose settings are put in by hand, as the parser of flags would."""
    base = base or settings()

    def parse(words):
        values = dict(word.removeprefix("--").split("=") for word in words)
        made = base
        if "method.temperature" in values:
            method = replace(made.method, temperature=float(values["method.temperature"]))
            made = replace(made, method=method)
        seed = int(values.get("training.seed", made.training.seed))
        return replace(made, training=replace(made.training, seed=seed))

    axes = [Axis(path="method.temperature", values=tuple(temperatures))]
    axes += [Axis(path="training.seed", values=tuple(seeds))] if seeds else []
    made = make_grid(axes, base, parse)
    assert isinstance(made, Grid)
    return made


def mark(epoch=8, knn=None, free=None, sound="sound", learning="learning"):
    return MarkEntry(epoch=epoch, knn_held_out=knn, label_free=free, sound=sound, learning=learning)


def record(knn, *, path="method.temperature", free=None, test=None, states=None):
    """A finished sweep from setting to one accuracy a seed, in the order of a sweep."""
    names = list(knn)
    seeds = max(len(found) for found in knn.values())
    trials = []
    for seed in range(seeds):
        for name in names:
            values = {path: name}
            state = (states or {}).get((name, seed), FINISHED)
            score = None if free is None else free[name][seed]
            marks = (mark(knn=knn[name][seed], free=score),) if state == FINISHED else ()
            final = (
                None
                if test is None
                else FinalScoreEntry(value=test[name][seed], low=0.0, high=1.0, split="test")
            )
            trials.append(
                TrialEntry(
                    name=name_of(str(seed), values),
                    seed=str(seed),
                    values=values,
                    settings=to_json(settings()),
                    state=state,
                    starts=1,
                    marks=marks,
                    test=final,
                )
            )
    return SweepRecord(grid=(AxisEntry(path=path, values=tuple(names)),), trials=tuple(trials))


@dataclass
class PlayedEngine:
    """Trains nothing: each start plays the next part of its trial's script, at the next poll."""

    scripts: dict = field(default_factory=dict)
    """Name to parts: an exit code, an outcome, or "hangs"; then the trial ends well."""
    scores: dict = field(default_factory=dict)
    """Start of a name to its accuracy."""
    threads: int = 1
    every: float = 0.0
    started: list = field(default_factory=list)
    stopped: list = field(default_factory=list)
    most: int = 0
    running: int = 0

    def start(self, task):
        self.started.append((task.name, task.until))
        self.running += 1
        self.most = max(self.most, self.running)
        parts = self.scripts.get(task.name, [])
        return PlayedJob(self, task, parts.pop(0) if parts else None)

    def end(self, task, part):
        self.running -= 1
        if isinstance(part, int):
            return part
        if part is None:
            (task.sweep / task.name).mkdir(exist_ok=True)
        task.place.mkdir(parents=True, exist_ok=True)
        knn = next((score for name, score in self.scores.items() if name in task.name), 0.5)
        plain = OutcomeRecord(state=PAUSED if task.until else FINISHED, mark=mark(task.until or 8, knn=knn))
        write_record(task.place / OutcomeRecord.FILE, part or plain)
        return 0


@dataclass
class PlayedJob:
    engine: PlayedEngine
    task: object
    part: object
    code: int | None = None

    def poll(self):
        if self.part == "hangs" or self.code is not None:
            return self.code
        if self.part == "ctrl-c":
            self.part = "hangs"
            raise KeyboardInterrupt
        self.code = self.engine.end(self.task, self.part)
        return self.code

    def stop(self):
        self.engine.stopped.append(self.task.name)
        self.code = 143

    def kill(self):
        raise AssertionError("nothing here takes so long")


def command(*words, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "contrascope", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **more,
    )
