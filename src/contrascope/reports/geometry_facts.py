"""Figures of geometry.json: negatives, ranks, spectra."""

from collections.abc import Sequence
from typing import Any

from contrascope.records.geometry import GeometryRecord
from contrascope.records.lookup import value_at
from contrascope.records.vocabulary import GEOMETRY
from contrascope.reports.blocks import Figure, Table, axes, interval, line, rows_of, sample, short
from contrascope.reports.load import RunRecords, estimate, number


def negatives(run: RunRecords) -> Figure | None:
    """Distances in the encoder to the negative that the projector finds nearest."""
    found = {
        words: counts
        for words, whose in (("trained", "trained"), ("random", "reference"))
        if (counts := _counts(run, whose))
    }
    if not found:
        return None
    bins = len(next(iter(found.values())))
    middle = [2 * (k + 0.5) / bins for k in range(bins)]
    shares = {words: [c / max(1.0, sum(counts)) for c in counts] for words, counts in found.items()}
    kept, note = sample(list(zip(middle, *shares.values(), strict=True)), 20)
    return Figure(
        title="How far is the nearest negative?",
        alt="; ".join(f"{words}: median {_median(run, words)}" for words in found),
        read="Distance in the encoder between an image's first view and the negative that the projector finds nearest, "
        "in units of the distance of two images: 1 is as far as any other. Strong augmentation leaves them near; "
        "where repulsion rules they are far.",
        data=[line(words, middle, share, place) for place, (words, share) in enumerate(shares.items())],
        layout=axes("distance (1: as any other image)", "share of images"),
        table=Table(
            title="Nearest negatives",
            head=("distance", *shares),
            rows=rows_of(*zip(*kept, strict=True)),
            note=note,
        ),
    )


def facts(run: RunRecords) -> Table | None:
    """Ranks, sharing and pieces beside the random network."""
    return facts_table(run.geometry)


def facts_table(record: GeometryRecord) -> Table | None:
    """The same of a record, for a terminal too; None where it has no features of trained networks."""
    known = {
        whose: tree
        for whose in ("trained", "reference")
        if (tree := value_at(record, f"{whose}.features")) is not None
    }
    trained = known.get("trained")
    if trained is None:
        return None
    measures = [(one.path, one.named) for one in GEOMETRY]
    measures += [
        (
            f"negatives.sharing.{name}",
            f"nearest negative has its {name} (share; chance "
            f"{short(value_at(trained, f'negatives.chance.{name}'), 2)})",
        )
        for name in value_at(trained, "negatives.sharing") or {}
    ]
    rows = [
        (words, *(interval(value_at(tree, path)) for tree in known.values()))
        for path, words in measures
        if any(estimate(value_at(tree, path)) for tree in known.values())
    ]
    return Table(
        title="Encoder against projector",
        head=("quantity", *known),
        rows=rows,
        read="The projector meets the loss, the encoder is kept. A rank counts directions that are used at all, "
        "under the thresholds in geometry.json; compare equal ones.",
    )


def spectrum(run: RunRecords) -> Figure | None:
    """Singular values of encoder features and of a linear projector."""
    names = {
        "trained.features.clean": "h, clean",
        "trained.features.augmented": "h, augmented",
        "reference.features.clean": "h, clean, random",
        "trained.features.projector.matrix": "projector W",
        "reference.features.projector.matrix": "projector W, random",
    }
    found = {
        words: _positive(value_at(run.geometry, f"{path}.singular_values")) for path, words in names.items()
    }
    found = {words: values for words, values in found.items() if values}
    if not found:
        return None
    ranks, note = sample(range(1, max(map(len, found.values())) + 1), 30)
    columns = [[values[r - 1] if r <= len(values) else None for r in ranks] for values in found.values()]
    return Figure(
        title="Singular values of encoder features and projector",
        alt="; ".join(f"{words}: {len(values)} above zero" for words, values in found.items()),
        read="Each over its largest. A cliff is a lost direction. The paper finds the encoder without a cliff while "
        "the projector's matrix has one.",
        data=[
            line(words, range(1, len(values) + 1), values, place)
            for place, (words, values) in enumerate(found.items())
        ],
        layout={
            "xaxis": {"title": {"text": "rank"}},
            "yaxis": {"title": {"text": "singular value (log)"}, "type": "log", "exponentformat": "power"},
        },
        table=Table(title="Singular values", head=("rank", *found), rows=rows_of(ranks, *columns), note=note),
    )


def geometry_line(run: RunRecords) -> str:
    """Ranks of encoder and projector and what is nearest, for the fold."""
    told = value_at(run.geometry, "trained.features")
    if told is None:
        return "Spectra of encoder and projector; operations, ranks and negatives: contrascope geometry RUN"
    parts = {
        "rank of h": "clean.relative",
        "of the projector's W": "projector.matrix.relative",
        "median distance to the nearest negative": "negatives.distance_spread.median",
    }
    said = [
        f"{name} {short(found[0], 3)}"
        for name, path in parts.items()
        if (found := estimate(value_at(told, path)))
    ]
    operations = value_at(run.geometry, "trained.operations") or ()
    said += [f"{len(operations)} operations"] if operations else []
    return "Encoder against projector: " + ", ".join(said) + "."


def _counts(run: RunRecords, whose: str) -> list[float]:
    found = value_at(run.geometry, f"{whose}.features.negatives.histogram_spread")
    return [count for one in found or () if (count := number(one)) is not None]


def _median(run: RunRecords, words: str) -> str:
    whose = "trained" if words == "trained" else "reference"
    return short(value_at(run.geometry, f"{whose}.features.negatives.distance_spread.median"), 3)


def _positive(values: Any) -> Sequence[float]:
    known = [number(value) for value in values] if isinstance(values, (list, tuple)) else []
    positive = [value for value in known if value is not None and value > 0]
    return [value / positive[0] for value in positive]
