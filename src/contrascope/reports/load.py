"""A run's records, read tolerantly: what is missing or damaged becomes a notice, never an error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.errors import InputError
from contrascope.records.advice import AdviceRecord
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.entry import Entry, R, Tree, empty
from contrascope.records.forgetting import ForgettingRecord
from contrascope.records.gallery import GalleryRecord, PolicyGalleryRecord
from contrascope.records.geometry import GeometryRecord
from contrascope.records.kinds import BadImagesRecord, BestRecord, EnvironmentRecord, EvaluationRecord
from contrascope.records.lookup import value_at
from contrascope.records.metrics import MetricsRow, read_rows
from contrascope.records.sentences import SentenceGalleryRecord
from contrascope.records.settings import settings_tree
from contrascope.records.suites import AugmentedRecord, SimilarityRecord, TransferRecord
from contrascope.records.typed import read_record, read_tree

ADVICE = {
    records.SETTINGS: "The settings of the run are not known.",
    records.ENVIRONMENT: "Machine, versions and class names are not known.",
    records.METRICS: "There are no curves.",
    records.EVALUATION: "No accuracy was measured; that needs labels.",
    records.DIAGNOSIS: "Write it with: contrascope diagnose RUN",
    SentenceGalleryRecord.FILE: "Write it where the sentences are at hand, with: contrascope report RUN",
    SimilarityRecord.FILE: "Measure it with: contrascope evaluate RUN FOLDER --suite sts",
    records.GALLERY: "Write it where the images are at hand, with: contrascope report RUN",
}
"""What a missing record costs, or how to get it."""
OF_SENTENCES = "TextRunSettings"
"""Kind of the settings of a run on sentences."""


@dataclass(frozen=True, kw_only=True)
class RunRecords:
    """Everything that was found in one folder; an empty record where there was nothing."""

    path: str
    """The folder as it was named."""
    name: str
    """Its last part, the name on the page."""
    settings: Tree = field(default_factory=dict)
    """A tree, because its form is the settings' own."""
    environment: EnvironmentRecord = field(default_factory=lambda: empty(EnvironmentRecord))
    evaluation: EvaluationRecord = field(default_factory=lambda: empty(EvaluationRecord))
    diagnosis: DiagnosisRecord = field(default_factory=lambda: empty(DiagnosisRecord))
    forgetting: ForgettingRecord = field(default_factory=lambda: empty(ForgettingRecord))
    gallery: GalleryRecord = field(default_factory=lambda: empty(GalleryRecord))
    geometry: GeometryRecord = field(default_factory=lambda: empty(GeometryRecord))
    best: BestRecord = field(default_factory=lambda: empty(BestRecord))
    bad_images: BadImagesRecord = field(default_factory=lambda: empty(BadImagesRecord))
    augmented: AugmentedRecord = field(default_factory=lambda: empty(AugmentedRecord))
    transfer: TransferRecord = field(default_factory=lambda: empty(TransferRecord))
    sentences: SentenceGalleryRecord = field(default_factory=lambda: empty(SentenceGalleryRecord))
    """Of a run on sentences, in place of a gallery."""
    similarity: SimilarityRecord = field(default_factory=lambda: empty(SimilarityRecord))
    advice: AdviceRecord = field(default_factory=lambda: empty(AdviceRecord))
    policies: PolicyGalleryRecord = field(default_factory=lambda: empty(PolicyGalleryRecord))
    """Views that an advice's best policies make; only of an advice's folder."""
    steps: list[MetricsRow] = field(default_factory=list)
    """Rows of metrics.jsonl that the loop wrote."""
    probes: list[MetricsRow] = field(default_factory=list)
    """Rows of metrics.jsonl that probes wrote."""
    notices: tuple[str, ...] = ()
    """What is missing or damaged, in sentences."""
    advised: bool = False
    """Whether the folder is an advice's and no run's."""


class _Folder:
    """Reads one folder and notes what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notices: list[str] = []

    def read(self, kind: type[R]) -> R:
        path = self.path / kind.FILE
        if not self._there(path):
            return empty(kind)
        try:
            found = read_record(kind, path)
        except InputError as error:
            self._damaged(path, error)
            return empty(kind)
        self.notices.extend(found.notices)
        return found.record

    def settings(self) -> Tree:
        path = self.path / records.SETTINGS
        if not self._there(path):
            return {}
        try:
            tree, notice = settings_tree(read_tree(path), path)
        except InputError as error:
            self._damaged(path, error)
            return {}
        self.notices.extend([notice] if notice else [])
        return tree

    def rows(self) -> tuple[MetricsRow, ...]:
        path = self.path / records.METRICS
        if not self._there(path):
            return ()
        try:
            found = read_rows(path)
        except InputError as error:
            self._damaged(path, error)
            return ()
        self.notices.extend(found.notices)
        return found.rows

    def _there(self, path: Path) -> bool:
        if path.exists():
            return True
        said = ADVICE.get(path.name)
        self.notices.extend([f"{path.name} is missing. {said}"] if said else [])
        return False

    def _damaged(self, path: Path, error: InputError) -> None:
        why = str(error).removeprefix(f"{path} ").removeprefix("is damaged (").split(").")[0]
        self.notices.append(f"{path.name} is damaged and was left out ({why}).")


def load(path: Path) -> RunRecords:
    """All records of a run's folder, or of an advice's; raises `InputError` only where there is no folder."""
    if not path.is_dir():
        raise InputError(
            f"{path} is no folder; expected the folder of a run. Name one: contrascope report RUN"
        )
    folder, name = _Folder(path), path.resolve().name or str(path)
    if is_advice(path):
        found, shown = folder.read(AdviceRecord), folder.read(PolicyGalleryRecord)
        return RunRecords(
            path=str(path),
            name=name,
            advice=found,
            policies=shown,
            notices=tuple(folder.notices),
            advised=True,
        )
    rows, settings = folder.rows(), folder.settings()
    of_text = settings.get("kind") == OF_SENTENCES
    pictures = empty(GalleryRecord) if of_text else folder.read(GalleryRecord)
    scores = empty(EvaluationRecord) if of_text else folder.read(EvaluationRecord)
    return RunRecords(
        path=str(path),
        name=name,
        settings=settings,
        environment=folder.read(EnvironmentRecord),
        evaluation=scores,
        diagnosis=folder.read(DiagnosisRecord),
        forgetting=folder.read(ForgettingRecord),
        gallery=pictures,
        sentences=folder.read(SentenceGalleryRecord) if of_text else empty(SentenceGalleryRecord),
        similarity=folder.read(SimilarityRecord) if of_text else empty(SimilarityRecord),
        geometry=folder.read(GeometryRecord),
        best=folder.read(BestRecord),
        bad_images=folder.read(BadImagesRecord),
        augmented=folder.read(AugmentedRecord),
        transfer=folder.read(TransferRecord),
        advice=folder.read(AdviceRecord),
        steps=[row for row in rows if row.kind == "step"],
        probes=[row for row in rows if row.kind == "probe"],
        notices=tuple(folder.notices),
    )


def is_advice(path: Path) -> bool:
    """Whether a folder is an advice's and no run's: an advice in it, and nothing that training writes."""
    of_run = (records.SETTINGS, records.ENVIRONMENT, records.METRICS)
    return (path / AdviceRecord.FILE).is_file() and not any((path / name).exists() for name in of_run)


def number(value: Any) -> float | None:
    """A finite number, or None for anything else, truth values among them.

    >>> number(2), number(True), number(float("nan")), number("3")
    (2.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def estimate(value: Any) -> tuple[float, float, float] | None:
    """Value, lower and upper end of a stored estimate, of a part that has these fields, or of a plain number.

    >>> estimate({"value": 1.0, "low": 0.5, "high": 2.0}), estimate(3), estimate("x")
    ((1.0, 0.5, 2.0), (3.0, 3.0, 3.0), None)
    """
    if not isinstance(value, dict | Entry):
        plain = number(value)
        return None if plain is None else (plain, plain, plain)
    middle, low, high = (number(value_at(value, key)) for key in ("value", "low", "high"))
    if middle is None:
        return None
    return middle, middle if low is None else low, middle if high is None else high


def column(rows: Sequence[MetricsRow], key: str) -> list[float | None]:
    """One value a row, None where it is missing.

    >>> column([MetricsRow(kind="step", step=3, values={"loss": 0.5})], "loss")
    [0.5]
    """
    if key in ("step", "epoch"):
        return [number(getattr(row, key)) for row in rows]
    return [number(row.values.get(key)) for row in rows]
