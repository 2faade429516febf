"""What stands on a run's page in place of pictures: sentences with their views, and with their neighbours."""

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from contrascope.records.sentences import ViewedTextEntry
from contrascope.reports.blocks import Table, short
from contrascope.reports.load import OF_SENTENCES, RunRecords

LONGEST = 200
"""Signs of a sentence that are shown."""


def worst(run: RunRecords) -> Table | None:
    """Sentences whose two views lie farthest apart."""
    return _viewed(
        run,
        run.sentences.worst,
        "Sentences whose views lie farthest apart",
        "If the two views no longer say the same, the views change too much; if they do, the encoder does not see it. ",
    )


def best(run: RunRecords) -> Table | None:
    """Sentences whose two views lie closest together."""
    return _viewed(
        run,
        run.sentences.best,
        "Sentences whose views lie closest together",
        "A distance of exactly 0 is a pair that nothing can be learnt from. ",
    )


def neighbours(run: RunRecords) -> Table | None:
    """Some sentences with the nearest others."""
    rows = run.sentences.neighbours
    if not rows:
        return None
    most = max(len(row.near) for row in rows)
    lines = []
    for row in rows:
        near = [f"{short(one.cosine, 2)}  {_cut(one.text)}" for one in row.near]
        lines.append((_cut(row.text), *near, *[""] * (most - len(near))))
    return Table(
        title="Nearest neighbours",
        head=("sentence", *(f"neighbour {place}" for place in range(1, most + 1))),
        rows=lines,
        read=f"Drawn at random from {_about(run)}. The number is the cosine. Neighbours that share words and not what "
        "is said are what counts of words find too.",
    )


def scores(run: RunRecords) -> Table | None:
    """Correlations with people's scores of pairs, where the suite sts was measured."""
    rows = run.similarity.rows
    if not rows:
        return None
    sets = list(dict.fromkeys(row.set for row in rows))
    lines = []
    for of in dict.fromkeys(row.of for row in rows):
        mine = {row.set: row for row in rows if row.of == of}
        cells = []
        for name in sets:
            one = mine.get(name)
            known = None if one is None or one.all is None else 100 * one.all
            low, high = (None, None) if one is None else (one.low, one.high)
            ends = "" if low is None or high is None else f" [{short(100 * low, 3)}, {short(100 * high, 3)}]"
            cells.append("–" if known is None else f"{short(known, 3)}{ends}")
        lines.append((of, *cells))
    return Table(
        title="Scored pairs: Spearman x 100",
        head=("representation", *sets),
        rows=lines,
        read="Correlation of cosines with people's scores, the subsets of a set joined. In brackets: 95 % intervals "
        "over pairs. TF-IDF needs no training: what is below it has not earned its training.",
    )


SHOWN = (worst, best, neighbours)
"""What a page shows in place of pictures."""


@runtime_checkable
class Keyed(Protocol):
    """A section of the page."""

    @property
    def key(self) -> str: ...


S = TypeVar("S", bound=Keyed)


def without_pictures(run: RunRecords, sections: Sequence[S]) -> list[S]:
    """The sections of a page; of a run on sentences without the map of images."""
    of_text = run.settings.get("kind") == OF_SENTENCES
    return [one for one in sections if not (of_text and one.key == "map")]


def _viewed(run: RunRecords, rows: tuple[ViewedTextEntry, ...], title: str, read: str) -> Table | None:
    if not rows:
        return None
    same = all(len(set(row.views)) == 1 for row in rows)
    words = ("words of both views",) if same else ("view 1", "view 2")
    lines = []
    for row in rows:
        views = [_cut(text) for text in row.views[: len(words)]]
        lines.append((_cut(row.text), *views, *["–"] * (len(words) - len(views)), short(row.alignment, 3)))
    told = "Both views have the same words: dropout alone tells them apart. " if same else ""
    return Table(
        title=title,
        head=("sentence", *words, "squared distance (0 to 4)"),
        rows=lines,
        read=f"{read}{told}Of {_about(run)}, dropout as in training.",
    )


def _about(run: RunRecords) -> str:
    return f"{short(run.sentences.measured)} sentences of {run.sentences.data or 'unknown origin'}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
