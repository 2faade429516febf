"""Figures of geometry.json and of its rows in metrics.jsonl: negatives, ranks, spectra, curves against epochs."""

from collections.abc import Sequence
from typing import Any

from contrascope.reports.blocks import Figure, Table, axes, interval, line, rows_of, sample, short
from contrascope.reports.curves import curves_figure
from contrascope.reports.load import RunRecords, at, number

FACTS = {
    "loss.loss": "InfoNCE, decoupled form",
    "loss.upper_bound": "its upper bound",
    "loss.invariance": "invariance term: minus the cosine of positives",
    "loss.repulsion": "repulsion term: cosine of the nearest negative",
    "loss.entropy": "entropy of the softmax over negatives (nats)",
    "clean.relative": "rank of h, clean images",
    "augmented.relative": "rank of h, augmented images",
    "projector.matrix.relative": "rank of the projector's W, relative threshold",
    "projector.matrix.absolute": "rank of W, absolute threshold",
    "projector.matrix.effective": "effective rank of W",
    "projector.local_relative.mean": "mean rank of the local Jacobian",
    "projector.distinct": "activation patterns of the images",
    "projector.crossed.mean": "pieces between two views",
    "projector.size.median": "length of a piece (units of h)",
    "negatives.unexplained": "displacements outside W's columns (share)",
    "negatives.unexplained_local": "displacements outside the local Jacobian (share)",
    "negatives.unexplained_chance": "the same by chance",
}
"""Path below the features of a network, and what it is called."""


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
    known = {whose: at(run.geometry, f"{whose}.features") for whose in ("trained", "reference")}
    known = {whose: tree for whose, tree in known.items() if isinstance(tree, dict)}
    if not known:
        return None
    paths = dict(FACTS)
    paths |= {
        f"negatives.sharing.{name}": f"nearest negative has its {name} (share; chance "
        f"{short(at(known['trained'], f'negatives.chance.{name}'), 2)})"
        for name in (at(known.get("trained"), "negatives.sharing") or {})
    }
    rows = [
        (words, *(interval(at(tree, path)) for tree in known.values()))
        for path, words in paths.items()
        if any(interval(at(tree, path)) != "–" for tree in known.values())
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
    found = {words: _positive(at(run.geometry, f"{path}.singular_values")) for path, words in names.items()}
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


def bound_over_time(run: RunRecords) -> Figure | None:
    """InfoNCE and its upper bound against epochs."""
    return curves_figure(
        run.probes,
        {"geometry_loss": "InfoNCE, decoupled form", "geometry_bound": "its upper bound"},
        title="InfoNCE and its upper bound against epochs",
        x=("epoch", "finished epochs"),
        y="nats",
        read="The bound keeps the nearest negative alone. Where the two move together, what is said of the nearest "
        "negative is said of the loss.",
    )


def projector_over_time(run: RunRecords) -> Figure | None:
    """Ranks of projector and encoder against epochs."""
    names = {
        "geometry_rank": "projector, relative threshold",
        "geometry_rank_absolute": "projector, absolute threshold",
        "geometry_effective_rank": "projector, effective",
        "geometry_h_rank": "encoder features, relative threshold",
    }
    return curves_figure(
        run.probes,
        names,
        title="Rank of the projector against epochs",
        x=("epoch", "finished epochs"),
        y="directions",
        read="Of the matrix of a linear projector, of the local Jacobian of an MLP (mean over images).",
    )


def removed_over_time(run: RunRecords) -> Figure | None:
    """Unexplained displacements, label sharing, and what the projector sees of each generator."""
    keys = dict.fromkeys(key for row in run.probes for key in row)
    names = {
        "geometry_unexplained": "displacements unexplained",
        "geometry_unexplained_local": "displacements unexplained locally",
        "geometry_unexplained_chance": "unexplained by chance",
    }
    for prefix, words in (
        ("geometry_sharing_", "nearest negative shares"),
        ("geometry_removed_", "removed of"),
        ("geometry_seen_", "seen of the generator of"),
    ):
        names |= {key: f"{words} {key.removeprefix(prefix)}" for key in keys if key.startswith(prefix)}
    return curves_figure(
        run.probes,
        names,
        title="Projector and operations against epochs",
        x=("epoch", "finished epochs"),
        y="share (0 to 1)",
        read="What the paper's propositions speak of: the projector holds the displacements to the nearest negatives "
        "and lets go of the operations. They hold in one direction only: this is what is seen, not what must be.",
    )


def _counts(run: RunRecords, whose: str) -> list[float]:
    found = at(run.geometry, f"{whose}.features.negatives.histogram_spread")
    known = [number(count) for count in found] if isinstance(found, list) else []
    return [count for count in known if count is not None]


def _median(run: RunRecords, words: str) -> str:
    whose = "trained" if words == "trained" else "reference"
    return short(at(run.geometry, f"{whose}.features.negatives.distance_spread.median"), 3)


def _positive(values: Any) -> Sequence[float]:
    known = [number(value) for value in values] if isinstance(values, list) else []
    positive = [value for value in known if value is not None and value > 0]
    return [value / positive[0] for value in positive]
