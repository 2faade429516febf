"""The numbers of one seed of a table, by cell and name; and what is made of them over seeds."""

import itertools
from collections.abc import Mapping, Sequence

from contrascope.records.sweeps import FINISHED, TableCellEntry, TableRecord


class NotMeasuredError(Exception):
    """A number that the table does not have yet."""


class UndecidedError(NotMeasuredError):
    """All is measured, and nothing of it bears on the claim."""


class SeedValues:
    """Every number of one seed.

    >>> from contrascope.records.sweeps import MeasureEntry
    >>> found = MeasureEntry(protocol="", values={"knn": 50.0}, curves={"knn": (40.0, 50.0)})
    >>> entry = TableCellEntry(cell="a", seed="0", state="finished", measures={"scores": found})
    >>> SeedValues([entry])("a", "knn"), SeedValues([entry])("a", "knn@0")
    (50.0, 40.0)
    """

    def __init__(self, entries: Sequence[TableCellEntry]) -> None:
        self._numbers: dict[tuple[str, str], float] = {}
        self._curves: dict[tuple[str, str], tuple[float, ...]] = {}
        self.cells = [one.cell for one in entries]
        for one in entries:
            for found in one.measures.values():
                self._numbers |= {(one.cell, name): value for name, value in found.values.items()}
                self._curves |= {(one.cell, name): curve for name, curve in found.curves.items()}

    def __call__(self, cell: str, name: str) -> float:
        """A number of a cell; `name@place` is one of a curve, counted from 0, or from the end below 0.

        Raises `NotMeasuredError` where the table has no such number yet.
        """
        curve, at, place = name.rpartition("@")
        if not at:
            if (cell, name) not in self._numbers:
                raise NotMeasuredError(f"{name} of {cell}")
            return self._numbers[cell, name]
        points = self.curve(cell, curve)
        if not -len(points) <= int(place) < len(points):
            raise NotMeasuredError(f"{name} of {cell}")
        return points[int(place)]

    def curve(self, cell: str, name: str) -> tuple[float, ...]:
        """A whole curve of a cell; raises `NotMeasuredError` where the table has none yet."""
        if (cell, name) not in self._curves:
            raise NotMeasuredError(f"the curve {name} of {cell}")
        return self._curves[cell, name]

    def names(self, cell: str) -> list[str]:
        """Names of the numbers of a cell."""
        return [name for of, name in self._numbers if of == cell]


def by_seed(record: TableRecord) -> dict[str, SeedValues]:
    """The numbers of each seed that has some, in the order of the table; what needs no run counts with every seed."""
    seeds = list(dict.fromkeys(one.seed for one in record.cells if one.measures and one.seed))
    alone = [one for one in record.cells if not one.seed]
    found = {seed: SeedValues([*alone, *(one for one in record.cells if one.seed == seed)]) for seed in seeds}
    return found or ({"0": SeedValues(alone)} if any(one.measures for one in alone) else {})


def whole_seeds(record: TableRecord, cells: Sequence[str]) -> list[str]:
    """Seeds with which each of these cells is trained and measured: means are over them, so that none is favoured.

    Cells that ended before their end, by a loss that is no number any more say, are waited for no longer.
    """
    entries = [one for one in record.cells if one.seed and one.cell in cells]
    seeds = list(dict.fromkeys(one.seed for one in entries))
    waited = {seed: {one.cell for one in entries if one.seed == seed and not _is_over(one)} for seed in seeds}
    known = {seed: {one.cell for one in entries if one.seed == seed} for seed in seeds}
    return [seed for seed in seeds if not waited[seed] and known[seed] == set(cells)]


def _is_over(one: TableCellEntry) -> bool:
    return bool(one.measures) if one.state == FINISHED else one.state in ("diverged", "alarmed")


def spearman(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Spearman's rank correlation, in [-1, 1]; 0 where one side does not vary.

    >>> spearman([1.0, 2.0, 3.0], [10.0, 20.0, 90.0]), spearman([1.0, 1.0], [1.0, 2.0])
    (1.0, 0.0)
    """
    from scipy.stats import rankdata

    return correlation(rankdata(ours).tolist(), rankdata(theirs).tolist())


def correlation(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Pearson's correlation, in [-1, 1]; 0 where one side does not vary.

    >>> round(correlation([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]), 6)
    1.0
    """
    a, b = ([value - sum(side) / len(side) for value in side] for side in (ours, theirs))
    size = (sum(value**2 for value in a) * sum(value**2 for value in b)) ** 0.5
    return sum(x * y for x, y in zip(a, b, strict=True)) / size if size > 0 else 0.0


def falls_by(values: Sequence[float]) -> float:
    """The smallest step down of values that are said to fall: above 0 where each is below the one before.

    >>> falls_by([3.0, 2.0, 1.5]), falls_by([1.0, 2.0])
    (0.5, -1.0)
    """
    return min(first - second for first, second in itertools.pairwise(values))


def enough(deciding: Sequence[float], count: int) -> float:
    """Above 0 where at least `count` of these numbers are: the one that is so many-th largest.

    >>> enough([2.0, -1.0, 1.0, 3.0], 3)
    1.0
    """
    return sorted(deciding, reverse=True)[count - 1]


def mean_of(values: Mapping[str, float] | Sequence[float]) -> float:
    """Mean of some numbers."""
    numbers = list(values.values()) if isinstance(values, Mapping) else list(values)
    return sum(numbers) / len(numbers)
