"""Figures of metrics.jsonl: what the loop and its probes wrote while training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contrascope.records.answers import row_answers, withdrawn
from contrascope.records.metrics import MetricsRow
from contrascope.records.row_words import row_keys, row_title, row_word
from contrascope.reports.blocks import Figure, Table, axes, line, rows_of, sample, short
from contrascope.reports.load import RunRecords, column

STEPS = ("loss", "rate", "method", "throughput")
"""Figures of the loop's own rows; the others are of probes."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A figure of numbers that are followed in training."""

    title: str
    """Its title."""
    y: str
    """Its vertical axis."""
    read: str
    """How to read it."""


FIGURES: dict[str, Followed] = {
    "loss": Followed(
        title="Loss by halves",
        y="loss (its own unit)",
        read="The loss is the sum of two halves: alignment pulls the views of an image together, spread keeps "
        "images apart. A spread half that stops falling at once, or an alignment half at its optimum from the "
        "start, is how a collapse looks here; the first answer measures it directly.",
    ),
    "rate": Followed(
        title="Learning rate",
        y="learning rate (1)",
        read="Warm-up first, then the schedule. A jump here explains a jump in the loss.",
    ),
    "method": Followed(
        title="What the method says of itself",
        y="share (0 to 1)",
        read="Numbers of this method's own parts that tell a collapse from learning; the page of the method in "
        "docs/methods says which end is bad.",
    ),
    "throughput": Followed(
        title="Throughput",
        y="images per second",
        read="Images, not views, that went through the loop each second. Dips are usually other work on the machine.",
    ),
    "alignment": Followed(
        title="Alignment against epochs",
        y="squared distance (0 to 4)",
        read="0: all views of an image fall together, which a collapse reaches as well; so read it beside the next "
        "two figures. Encoders usually rise at first, because an untrained one sends everything nearly one way.",
    ),
    "spread": Followed(
        title="Are images kept apart? Uniformity against epochs",
        y="uniformity (log, 0 to -4)",
        read="0: all images in one spot. About -4: spread evenly over the sphere. It is the label-free companion of "
        "the divergence of class centres.",
    ),
    "divergence": Followed(
        title="Divergence of class centres against epochs (with labels)",
        y="cosine (-1 to 1), error (share)",
        read="Class centres that point apart have a cosine near or below 0; the largest cosine is the pair of classes "
        "that is hardest to tell apart. Measured on the probe's images; the answers while training have not seen "
        "the labels.",
    ),
    "learning": Followed(
        title="Does it learn? Retrieval and kNN against epochs",
        y="share (0 to 1)",
        read="Retrieval: the share of images whose view has another view of its image nearest; no labels needed. "
        "kNN needs labels, and is there only where the run measured it (training.probe_every).",
    ),
    "ranks": Followed(
        title="Ranks against epochs",
        y="number of directions",
        read="How many directions carry the variance. A fall towards 1 is a dimensional collapse. Compare a curve "
        "with itself: the levels of different ranks and networks are not comparable.",
    ),
    "bound": Followed(
        title="InfoNCE and its upper bound against epochs",
        y="nats",
        read="The bound keeps the nearest negative alone. Where the two move together, what is said of the nearest "
        "negative is said of the loss.",
    ),
    "projector": Followed(
        title="Rank of the projector against epochs",
        y="directions",
        read="Of the matrix of a linear projector, of the local Jacobian of an MLP (mean over images).",
    ),
    "removed": Followed(
        title="Projector and operations against epochs",
        y="share (0 to 1)",
        read="What the paper's propositions speak of: the projector holds the displacements to the nearest negatives "
        "and lets go of the operations. They hold in one direction only: this is what is seen, not what must be.",
    ),
}
"""What stands against steps and epochs; which curves, the vocabulary says."""


def followed(name: str) -> Callable[[RunRecords], Figure | None]:
    """The function that draws a figure of `FIGURES`."""

    def draw(run: RunRecords) -> Figure | None:
        rows, x = (
            (run.steps, ("step", "training step"))
            if name in STEPS
            else (run.probes, ("epoch", "finished epochs"))
        )
        keys = list(dict.fromkeys(key for row in rows for key in row.values))
        about = FIGURES[name]
        titles = row_keys(name, keys)
        return curves_figure(rows, titles, title=about.title, x=x, y=about.y, read=about.read)

    draw.__name__ = f"{name}_curves"
    return draw


def everything_else(run: RunRecords) -> Table | None:
    """Numbers of the rows that no figure shows, those that no word is known for among them: first and last value."""
    rows = []
    for kept, of_steps in ((run.steps, True), (run.probes, False)):
        for key in dict.fromkeys(key for row in kept for key in row.values):
            word = row_word(key)
            drawn = word is not None and word.figure in FIGURES and (word.figure in STEPS) == of_steps
            known = [value for value in column(kept, key) if value is not None]
            if known and not drawn:
                unit = f" ({word.unit})" if word is not None and word.unit else ""
                rows.append((f"{row_title(key)}{unit}", short(known[0]), short(known[-1]), short(len(known))))
    if not rows:
        return None
    return Table(
        title="Everything else that was logged",
        head=("number", "first", "last", "rows"),
        rows=rows,
        read="Numbers of metrics.jsonl that stand in no figure.",
        sortable=True,
    )


def alarms(run: RunRecords) -> Table | None:
    """The monitor's answers while training; an older version's one word has a column of its own."""
    rows = [row for row in run.probes if row_answers(row.values) or withdrawn(row.values.get("verdict"))]
    if not rows:
        return None
    kept, note = sample(rows)
    told = [row_answers(row.values) for row in kept]
    columns = {
        "finished epochs": column(kept, "epoch"),
        "step": column(kept, "step"),
        "sound?": [one["sound"].said if "sound" in one else "–" for one in told],
        "learning?": [one["learning"].said if "learning" in one else "–" for one in told],
        "view finds its image (share)": column(kept, "h_retrieval"),
    }
    old = [row.values.get("verdict") for row in kept]
    if any(map(withdrawn, old)):
        columns["older version's word, withdrawn"] = [word if withdrawn(word) else "–" for word in old]
    sound = [answer for row in rows if (answer := row_answers(row.values).get("sound"))]
    read = "The monitor's, on the probe's images, and no diagnosis. Not learning is to be expected in the first epochs."
    if sound:
        read += f" {sum(one.tone == 'bad' for one in sound)} of {len(sound)} were not sound."
    return Table(
        title="Answers while training",
        head=tuple(columns),
        rows=rows_of(*columns.values()),
        read=read,
        note=note,
    )


def curves_figure(
    rows: Sequence[MetricsRow], names: Mapping[str, str], *, title: str, x: tuple[str, str], y: str, read: str
) -> Figure | None:
    """Curves of those keys that some row has; None if no row has any."""
    key, words = x
    rows = [row for row in rows if column([row], key)[0] is not None]
    found = {name: words for name, words in names.items() if any(v is not None for v in column(rows, name))}
    if not found:
        return None
    at = column(rows, key)
    data = [
        line(full, at, column(rows, name), place, marks=len(rows) <= 60)
        for place, (name, full) in enumerate(found.items())
    ]
    kept, note = sample(rows)
    table = Table(
        title=title,
        head=(words, *found.values()),
        rows=rows_of(column(kept, key), *(column(kept, name) for name in found)),
        note=note,
    )
    return Figure(
        title=title,
        alt=_sentence(title, rows, found),
        read=read,
        data=data,
        layout=axes(words, y),
        table=table,
    )


def _sentence(title: str, rows: Sequence[MetricsRow], found: Mapping[str, str]) -> str:
    parts = []
    for name, words in found.items():
        values = [value for value in column(rows, name) if value is not None]
        parts.append(f"{words} from {short(values[0], 3)} to {short(values[-1], 3)}")
    return f"{title}: {'; '.join(parts)}."
