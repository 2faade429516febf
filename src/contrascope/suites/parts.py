"""What the robustness suite has finished of one representation: rows in the record, probes in files beside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contrascope import records
from contrascope.evaluation.augmented import Fit, Move
from contrascope.features.sealed import read_sealed, save_sealed
from contrascope.records.inside import parsed, removed, whole_file
from contrascope.records.suites import AugmentedRecord, MoveEntry, RobustEntry
from contrascope.records.typed import as_part
from contrascope.runs.store import OpenRecord, kept

TENSORS, NUMBERS = ("weight", "bias", "h", "y"), ("norm", "chosen")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Rows and probes of one representation, each kept as soon as it is there: a stop loses one copy at most."""

    of: str
    """The representation."""
    record: OpenRecord[AugmentedRecord]
    """The suite's record; rows are added in place."""

    @property
    def finished(self) -> bool:
        """Whether every row of the representation is there."""
        return any(row.of == self.of for row in self.record.content.robustness)

    def fit(self, copy: str, make: Callable[[], Fit]) -> Fit:
        """The probe of a copy and the copy's test features: read, or made and written; a damaged file is made anew."""
        if self.record.path is None:
            return make()
        name = f"{self._folder}/{copy}.safetensors"
        return kept(
            self.record.path.parent, name, read=lambda file: _read(file, copy), make=make, write=_write
        )

    def row(self, copy: str, severity: int | None, probe: str, make: Callable[[], Move]) -> None:
        """Adds a row to the record unless it is there."""
        key = (self.of, copy, severity, probe)
        rows = self.record.content.rows
        if any((row.of, row.copy, row.severity, row.probe) == key for row in rows):
            return
        rows.append(as_part(MoveEntry, {"of": self.of, **asdict(make())}))
        self.record.keep()

    def finish(self, robust: dict[str, float]) -> None:
        """Adds what holds for all copies together, and removes the files of the probes."""
        self.record.content.robustness.append(as_part(RobustEntry, {"of": self.of, **robust}))
        self.record.keep()
        if self.record.path is not None:
            removed(records.inside(self.record.path.parent, self._folder))

    @property
    def _folder(self) -> str:
        """Where the files lie, in the folder of the record."""
        content, record = self.record.content, self.record.path
        assert record is not None
        return f"{record.stem}.parts/{content.protocol}-{content.encoder}/{self.of.replace(' ', '-')}"


def forget_parts(out: Path | None) -> None:
    """Removes the probes of a record that is begun anew or done."""
    if out is not None:
        removed(records.inside(out.parent, f"{out.stem}.parts"))


def _write(fit: Fit, path: Path) -> None:
    tensors = {name: getattr(fit, name).contiguous() for name in TENSORS}
    numbers = {name: repr(getattr(fit, name)) for name in NUMBERS}
    with whole_file(path) as partial:
        save_sealed(tensors, partial, numbers)


def _read(path: Path, copy: str) -> Fit:
    with parsed(path, "part of the suite", "Remove it."):
        tensors, told = read_sealed(path, needed=True)
        held: dict[str, Any] = {name: tensors[name] for name in TENSORS}
        held |= {name: float(told[name]) for name in NUMBERS}
        return Fit(name=copy, **held)
