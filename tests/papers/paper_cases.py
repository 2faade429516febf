"""Tables of two tiny cells, an engine that works in this process, and records that nobody measured."""

from dataclasses import dataclass, field, replace

from contrascope.diagnosis.settings import MonitorSettings
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.papers.claims import Claim
from contrascope.papers.scales import finished
from contrascope.papers.table import Cell, PaperTable, Sources, TablePanel, number
from contrascope.records.sweeps import FINISHED, MeasureEntry, TableCellEntry, TableRecord
from contrascope.runs.settings import RunSettings
from contrascope.settings import to_json
from contrascope.sweeps import worker
from contrascope.training.settings import TrainingSettings

DRY = Sources(dry=True, transfer=("digits",))


def tiny(temperature):
    base = RunSettings(
        encoder=EncoderSettings(name="convnet", width=4),
        method=SimCLRSettings(temperature=temperature, projector=ProjectorSettings(hidden=(8,), out=8)),
        training=TrainingSettings(batch_size=64),
    )
    return replace(finished(base, DRY), monitor=MonitorSettings(times=0))


def cells(scale, sources):
    return (
        Cell(name="cold", settings=tiny(0.1), measures=("scores",)),
        Cell(name="warm", settings=tiny(0.5), measures=("scores",)),
        Cell(name="rotations", settings=None, measures=("rotations",)),
    )


TABLE = PaperTable(
    name="tiny",
    title="two temperatures",
    source="nobody",
    cells=cells,
    panels=(
        TablePanel(
            title="kNN",
            rows=("cold", "warm"),
            columns=("knn",),
            at=lambda row, column: number(row, column, {"cold": 80.0, "warm": 70.0}[row], best=True),
        ),
    ),
    claims=(
        Claim(
            key="X1",
            says="cold is better",
            rule="cold less warm",
            decide=lambda seed: seed("cold", "knn") - seed("warm", "knn"),
        ),
    ),
    notes=("A note.",),
)


@dataclass
class HereEngine:
    """Works in this process; `fails` are names whose worker dies so often."""

    threads: int = 1
    every: float = 0.0
    started: list = field(default_factory=list)
    hang: str = ""

    def start(self, task):
        self.started.append(task.name)
        if self.hang and self.hang in task.name:
            return HereJob(code=None)
        return HereJob(code=worker.work(task.sweep, task.name, threads=1, device="cpu"))


@dataclass
class HereJob:
    code: int | None
    stopped: bool = False

    def poll(self):
        return self.code

    def stop(self):
        self.code = 143

    def kill(self):
        self.code = 137


def entry(cell, seed, *, state=FINISHED, curves=None, **values):
    found = MeasureEntry(protocol="p", values=values, curves=curves or {})
    measures = {"scores": found} if values or curves else {}
    return TableCellEntry(cell=cell, seed=seed, state=state, measures=measures)


def numbers(record):
    """What a table holds, without how long it took."""
    return [
        (
            one.cell,
            one.seed,
            one.state,
            {name: replace(found, seconds=None) for name, found in one.measures.items()},
        )
        for one in record.cells
    ]


def record(*entries, scale="cpu", settings=None):
    known = settings or {name: to_json(tiny(0.1)) for name in {one.cell for one in entries if one.seed}}
    return TableRecord(table="tiny", scale=scale, dry=False, cells=tuple(entries), settings=known)
