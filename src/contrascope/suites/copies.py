"""The six augmented copies of one run as plain rows: what a benchmark or a notebook asks of the robustness suite."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from contrascope.data.settings import DataSettings
from contrascope.evaluation.copies import COPIES
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import AugmentedSettings
from contrascope.records.entry import Tree, as_tree
from contrascope.records.suites import AugmentedRecord
from contrascope.settings import from_json
from contrascope.suites.run import evaluate_suite

RECORD_FOLDER = "augmented-copies"
"""Where the record lies in a run's folder, apart from that of the whole suite."""


@dataclass(frozen=True, kw_only=True)
class CopyRow:
    """One copy beside the original; risks are cross-entropies in nats on test images, gaps are signed."""

    copy: str
    """original, grayscale, crop, flip, jitter or jitter_grayscale."""
    accuracy: float
    """Top-1 of the probe learnt and tested on this copy, in [0, 1]."""
    accuracy_low: float
    """Lower end of its interval over test images."""
    accuracy_high: float
    """Upper end."""
    accuracy_original_probe: float
    """Top-1 on this copy of the probe learnt on the original."""
    risk_gap: float
    """R(D_A) - R(D), each risk with its own probe: the gap of ArCL's Theorem 2."""
    bound: float
    """sqrt(2) (||h_A|| + ||h||) sqrt(L_AR), which |risk_gap| cannot exceed for the best probes."""
    risk_gap_original_probe: float
    """The same gap with the original's probe on both."""
    bound_original_probe: float
    """sqrt(2) ||h|| sqrt(L_AR), which |risk_gap_original_probe| never exceeds."""
    l_ar: float
    """Mean squared distance between the features of an image here and in the original."""
    l_ar_unit: float
    """The same for features of unit length, in [0, 4]."""


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """The six rows of one encoder, and L_AR over all six copies together."""

    copies: dict[str, CopyRow]
    """By copy, the original first."""
    l_ar: float
    """Mean over images of the largest squared distance between two of the six feature vectors."""
    l_ar_unit: float
    """The same for features of unit length, in [0, 4]: comparable between encoders."""
    protocol: str
    """Hash of the settings that decided the numbers."""

    @property
    def largest_gap(self) -> float:
        """The largest |risk_gap| of the six."""
        return max(abs(row.risk_gap) for row in self.copies.values())


def robustness_of(
    run: Path | str,
    settings: AugmentedSettings | None = None,
    *,
    source: str | DataSettings | None = None,
    protocol: Protocol | None = None,
    out: Path | None = None,
) -> Robustness:
    """The six copies of a run's own images (or of `source`) under its trained encoder, no corruptions, no references.

    Kept by copy in `out` (unset: a folder of the run): a second call reads, and a stopped one loses one copy.
    Of `settings` the number of training images and the seed count.
    """
    settings = replace(settings or AugmentedSettings(), corruptions=(), references=False)
    record = evaluate_suite(
        "augmented",
        str(run),
        DataSettings(),
        source=source,
        protocol=protocol,
        augmented=settings,
        out=Path(run) / RECORD_FOLDER if out is None else out,
    )
    assert isinstance(record, AugmentedRecord)
    rows = {(row.copy, row.probe): as_tree(row) for row in record.rows}
    (worst,) = (as_tree(row) for row in record.robustness)
    copies = {
        copy: _copy_row(rows[copy, "own"], rows.get((copy, "original"), rows["original", "own"]))
        for copy in COPIES
    }
    found = {"copies": copies, "l_ar": worst["l_ar"], "l_ar_unit": worst["l_ar_unit"]}
    return from_json(Robustness, {**found, "protocol": record.protocol}, path=AugmentedRecord.FILE)


def _copy_row(own: Tree, moved: Tree) -> Tree:
    same = {field.name: own[field.name] for field in fields(CopyRow) if field.name in own}
    return {
        **same,
        "accuracy_original_probe": moved["accuracy"],
        "risk_gap_original_probe": moved["risk_gap"],
        "bound_original_probe": moved["bound"],
    }
