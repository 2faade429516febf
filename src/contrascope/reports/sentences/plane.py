"""Alignment against uniformity, a point a run (Gao et al. 2021, figure 2): of sentences on scored pairs."""

from collections.abc import Callable, Sequence

from contrascope.records.lookup import value_at
from contrascope.reports.load import RunRecords, estimate, number
from contrascope.reports.static_blocks import Points

PLANE = "alignment-uniformity"
NEEDED = (
    "It needs evaluation-sts.json with the set stsb of every run (contrascope evaluate RUN FOLDER --suite sts), or "
    "diagnosis.json of every run (contrascope diagnose RUN)."
)
"""Where its numbers come from."""
SET, TWIN = "stsb", "random twin"
Place = tuple[float, float]
"""Uniformity and alignment."""


def plane(named: Sequence[tuple[str, RunRecords]]) -> list[Points]:
    """One panel with every run, and with random weights where there is one run; none unless all have the numbers.

    On scored pairs where every run has them, else on each run's own views: numbers of both kinds never share a panel.
    """
    for find, what in (
        (_on_pairs, "pairs of STS-B that people call alike"),
        (_on_views, "two views, as each run was trained"),
    ):
        found = _all(named, find)
        if found is not None:
            return [
                Points(
                    title=f"Alignment and uniformity: {what}",
                    x="uniformity (log; lower is more even)",
                    y="alignment (squared distance, 0 to 4; lower is closer)",
                    places=list(found.values()),
                    codes=list(range(len(found))),
                    names=dict(enumerate(found)),
                    equal=False,
                )
            ]
    return []


def _all(
    named: Sequence[tuple[str, RunRecords]], find: Callable[[RunRecords, bool], Place | None]
) -> dict[str, Place] | None:
    found: dict[str, Place] = {}
    for label, run in named:
        place = find(run, False)
        if place is None:
            return None
        found[label] = place
    twin = find(named[0][1], True) if len(named) == 1 else None
    return found if twin is None else {**found, "random weights": twin}


def _on_pairs(run: RunRecords, twin: bool) -> Place | None:
    """Of the run's own row, the last one that is no reference."""
    rows = [row for row in run.similarity.rows if row.set == SET and number(row.uniformity) is not None]
    mine = [row for row in rows if (row.of == TWIN) == twin]
    if not mine or (alignment := number(mine[-1].alignment)) is None:
        return None
    return number(mine[-1].uniformity) or 0.0, alignment


def _on_views(run: RunRecords, twin: bool) -> Place | None:
    layer = "reference_h" if twin else "h"
    if twin and "random" not in str(value_at(run.diagnosis.signals, "reference")):
        return None  # Gaussian rows have no views
    uniform, align = (
        estimate(value_at(run.diagnosis.signals, f"{layer}.{name}"))
        for name in ("uniformity", "views.alignment")
    )
    return None if uniform is None or align is None else (uniform[0], align[0])
