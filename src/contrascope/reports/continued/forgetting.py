"""The second reference of a continued training: what was kept of its start, and what was gained over it."""

from contrascope.records.forgetting import ForgettingEntry, shown_forgetting
from contrascope.reports.blocks import Table, interval, percent, short
from contrascope.reports.load import RunRecords, estimate

READ = (
    "The encoder that this run started from, on the same images and views. What is kept decides on the alarm: "
    "whether a linear map still finds what the start's features held, and whether its views are found as before."
)


def beside_start(run: RunRecords) -> Table | None:
    """The answer with its numbers, of the diagnosis, or else of the end of training; nothing without such a start."""
    found, about = run.diagnosis.start, run.diagnosis.data
    if found is None or not found.word:
        found, about = run.forgetting.start, run.forgetting.data
    if found is None or not found.word:
        return None
    shown = shown_forgetting(found)
    return Table(
        title=shown.line,
        head=("", "today", "at the start", "random weights"),
        rows=_rows(found),
        read=" ".join((READ, shown.next)).strip(),
        note=f"{short(found.images)} images of {about}".strip(),
    )


def _rows(found: ForgettingEntry) -> list[tuple[str, ...]]:
    rows = [
        ("kept of the start (%) ↑", percent(estimate(found.kept)), "100", "0"),
        (
            "the start's variance that a linear map gives (share) ↑",
            short(found.explained, 3),
            "–",
            short(found.random_explained, 3),
        ),
        (
            "nearest images of the start that still are (%) ↑",
            percent(estimate(found.neighbours)),
            "100",
            percent(estimate(None if found.random_neighbours is None else found.random_neighbours)),
        ),
        ("effective rank over the start's", short(found.rank, 3), "1", "–"),
    ]
    for views, gain in (("own views", found.own), ("standard views that suffered most", found.standard)):
        if gain is not None:
            name = f"another view is first of 100, {views} (%) ↑"
            rows.append((name, percent(estimate(gain.trained)), percent(estimate(gain.random)), "–"))
            rows.append((f"gain over the start, {views} (log odds) ↑", interval(gain.odds), "0", "–"))
    return rows
