"""The checkpoint with the best label-free score, kept beside the last ones."""

from pathlib import Path

from contrascope import records
from contrascope.records.kinds import BestRecord
from contrascope.records.typed import read_record


class Best:
    """Remembers the largest score and its step, also over a resume."""

    def __init__(self, run: Path) -> None:
        self._path = run / records.BEST
        path = self._path
        found = read_record(BestRecord, path).writable() if path.exists() else records.empty(BestRecord)
        self.step: int | None = found.step
        """Step of the best checkpoint so far; None before the first score."""
        self._score: float | None = found.score
        self._saved = self.step

    def see(self, step: int, score: float | None) -> None:
        """Take a score in; of equal ones the earlier stays."""
        if score is not None and (self._score is None or score > self._score):
            self.step, self._score = step, score

    def save(self) -> None:
        """Write the record; to be called once the checkpoint of `step` stands."""
        if self.step != self._saved:
            records.write_record(self._path, BestRecord(step=self.step, score=self._score))
            self._saved = self.step
