"""The folder of a monitor: metrics, the last diagnosis with its rows, and the best step, as in a run's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrascope import records
from contrascope.diagnosis.diagnosis import Diagnosis
from contrascope.diagnosis.monitor.history import MeasuredStep
from contrascope.diagnosis.monitor.rows import DRAWS, Judged, Row
from contrascope.errors import InputError
from contrascope.features.features import Features
from contrascope.features.files import save_features
from contrascope.records.diagnosis import DiagnosisRecord
from contrascope.records.files import MONITORED, REFERENCE
from contrascope.records.kinds import BestRecord
from contrascope.records.metrics import MetricsRow, read_rows
from contrascope.records.typed import as_record
from contrascope.settings import to_json

THING = "a training that is monitored"
"""What the diagnosis is of."""


class MonitorFolder:
    """Writes what `contrascope report`, `contrascope diagnose` and the comparison of runs read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log: records.MetricsLog | None = None
        self._last = -1

    def measured(self) -> list[MetricsRow]:
        """The monitor's rows that are here already, damaged lines left out."""
        path = records.inside(self.path, records.METRICS)
        return [row for row in read_rows(path).rows if row.kind == "probe"] if path.exists() else []

    def write_row(
        self, row: Row, *, step: int, epoch: int | float | None, metrics: Mapping[str, Any] | None
    ) -> None:
        """One measurement, the caller's own numbers before it; rows of this step and later ones are forgotten."""
        head: dict[str, Any] = {"step": step} if epoch is None else {"step": step, "epoch": epoch}
        if self._log is None or step <= self._last:
            self.close()
            self.path.mkdir(parents=True, exist_ok=True)
            path = records.inside(self.path, records.METRICS)
            self._log = records.MetricsLog(path, after_step=step - 1)
        self._last = step
        if metrics:
            self._log.write(
                {"kind": "step", **head, **{key: _plain(value) for key, value in metrics.items()}}
            )
        self._log.write({"kind": "probe", **head, **row})

    def write_diagnosis(self, found: Judged, h: Tensor, z: Tensor | None) -> None:
        """The answers with their signals; the rows where all values are finite."""
        told = Diagnosis(
            verdict=found.verdict,
            signals=found.signals,
            factors={},
            details={},
            lipschitz=None,
            needs_views=(),
        )
        about = {"thing": THING, "data": f"h {' x '.join(map(str, h.shape))} (views x images x dimensions)"}
        record = as_record(DiagnosisRecord, {**about, "settings": {"draws": DRAWS}, **to_json(told)})
        records.write_record(records.inside(self.path, records.DIAGNOSIS), record)
        self._save(h, z, MONITORED)

    def write_reference(self, h: Tensor, z: Tensor | None) -> None:
        """What the rows are compared with."""
        self._save(h, z, REFERENCE)

    def write_best(self, best: MeasuredStep | None) -> None:
        """The step with the best label-free score."""
        step, score = (None, None) if best is None else (best.step, best.score)
        records.write_record(records.inside(self.path, records.BEST), BestRecord(step=step, score=score))

    def close(self) -> None:
        """Close the metrics; a later row opens them again."""
        if self._log is not None:
            self._log.close()
        self._log = None

    def _save(self, h: Tensor, z: Tensor | None, name: str) -> None:
        file = records.inside(self.path, name)
        try:
            kept = Features(h=h, z=z, ids=torch.arange(h.shape[1]))
        except (
            InputError
        ):  # values that are not finite: the record says so, and older rows are not taken for these
            file.unlink(missing_ok=True)
            return
        save_features(kept, file)


def _plain(value: Any) -> Any:
    """A number of the caller's as JSON takes it."""
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    return float(value)
