"""Figures of metrics.jsonl: what the loop and its probes wrote while training."""

from collections.abc import Mapping, Sequence

from contrascope.reports.blocks import Figure, Table, axes, line, rows_of, sample, short
from contrascope.reports.load import RunRecords, Tree, column

FINE = ("healthy", "undecided")


def losses(run: RunRecords) -> Figure | None:
    """The loss and its two halves against steps."""
    return curves_figure(
        run.steps,
        {"loss": "loss", "align": "alignment half", "spread": "spread half"},
        title="Loss by halves",
        x=("step", "training step"),
        y="loss (its own unit)",
        read="The loss is the sum of two halves: alignment pulls the views of an image together, spread keeps "
        "images apart. A spread half that stops falling at once, or an alignment half at its optimum from the "
        "start, is how a collapse looks here; the verdict measures it directly.",
    )


def learning_rate(run: RunRecords) -> Figure | None:
    """The learning rate against steps."""
    return curves_figure(
        run.steps,
        {"lr": "learning rate"},
        title="Learning rate",
        x=("step", "training step"),
        y="learning rate (1)",
        read="Warm-up first, then the schedule. A jump here explains a jump in the loss.",
    )


def throughput(run: RunRecords) -> Figure | None:
    """Images a second against steps."""
    return curves_figure(
        run.steps,
        {"images_per_second": "images per second"},
        title="Throughput",
        x=("step", "training step"),
        y="images per second",
        read="Images, not views, that went through the loop each second. Dips are usually other work on the machine.",
    )


def alignment_over_time(run: RunRecords) -> Figure | None:
    """Alignment and uniformity of both layers against epochs."""
    return curves_figure(
        run.probes,
        {"h_alignment": "alignment, encoder h", "z_alignment": "alignment, projector z"},
        title="Alignment against epochs",
        x=("epoch", "finished epochs"),
        y="squared distance (0 to 4)",
        read="0: all views of an image fall together, which a collapse reaches as well; so read it beside the next "
        "two figures. Encoders usually rise at first, because an untrained one sends everything nearly one way.",
    )


def spread_over_time(run: RunRecords) -> Figure | None:
    """Uniformity of both layers: the label-free companion of divergence."""
    return curves_figure(
        run.probes,
        {"h_uniformity": "uniformity, encoder h", "z_uniformity": "uniformity, projector z"},
        title="Are images kept apart? Uniformity against epochs",
        x=("epoch", "finished epochs"),
        y="uniformity (log, 0 to -4)",
        read="0: all images in one spot. About -4: spread evenly over the sphere. It is the label-free companion of "
        "the divergence of class centres.",
    )


def divergence_over_time(run: RunRecords) -> Figure | None:
    """Largest and mean cosine of two class centres, and nearest-centre error, against epochs; with labels."""
    names = {
        f"{layer}_{key}": f"{words}, {full}"
        for layer, full in (("h", "encoder h"), ("z", "projector z"))
        for key, words in (
            ("max_cosine", "largest cosine of centres"),
            ("mean_cosine", "mean cosine of centres"),
            ("centre_error", "nearest-centre error"),
        )
    }
    return curves_figure(
        run.probes,
        names,
        title="Divergence of class centres against epochs (with labels)",
        x=("epoch", "finished epochs"),
        y="cosine (-1 to 1), error (share)",
        read="Class centres that point apart have a cosine near or below 0; the largest cosine is the pair of classes "
        "that is hardest to tell apart. Measured on the images of the run's own diagnosis; the verdict has not seen "
        "the labels.",
    )


def learning_over_time(run: RunRecords) -> Figure | None:
    """Instance retrieval and kNN on held-out training images against epochs."""
    names = {
        "h_retrieval": "a view finds its image, encoder h",
        "z_retrieval": "a view finds its image, projector z",
        "knn_held_out": "kNN accuracy on held-out training images",
    }
    return curves_figure(
        run.probes,
        names,
        title="Does it learn? Retrieval and kNN against epochs",
        x=("epoch", "finished epochs"),
        y="share (0 to 1)",
        read="Retrieval: the share of images whose view has another view of its image nearest; no labels needed. "
        "kNN needs labels, and is there only where the run measured it (training.probe_every).",
    )


def ranks_over_time(run: RunRecords) -> Figure | None:
    """Ranks of both layers against epochs."""
    names = {
        f"{layer}_{key}": f"{words}, {full}"
        for layer, full in (("h", "encoder h"), ("z", "projector z"))
        for key, words in (
            ("participation_ratio", "participation ratio"),
            ("rankme", "RankMe"),
            ("lidar", "LiDAR"),
        )
    }
    return curves_figure(
        run.probes,
        names,
        title="Ranks against epochs",
        x=("epoch", "finished epochs"),
        y="number of directions",
        read="How many directions carry the variance. A fall towards 1 is a dimensional collapse. Compare a curve "
        "with itself: the levels of different ranks and networks are not comparable.",
    )


def alarms(run: RunRecords) -> Table | None:
    """Verdicts while training."""
    rows = [row for row in run.probes if isinstance(row.get("verdict"), str)]
    if not rows:
        return None
    kept, note = sample(rows)
    broken = sum(row["verdict"] not in FINE for row in rows)
    marks = [("✓ " if row["verdict"] in FINE else "✗ ") + row["verdict"] for row in kept]
    retrieval = column(kept, "h_retrieval")
    return Table(
        title="Verdicts while training",
        head=("finished epochs", "step", "verdict", "view finds its image (share)"),
        rows=rows_of(column(kept, "epoch"), column(kept, "step"), marks, retrieval),
        read=f"{broken} of {len(rows)} diagnoses while training were neither healthy nor undecided. Not learning is "
        "to be expected in the first epochs.",
        note=note,
    )


def curves_figure(
    rows: Sequence[Tree], names: Mapping[str, str], *, title: str, x: tuple[str, str], y: str, read: str
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


def _sentence(title: str, rows: Sequence[Tree], found: Mapping[str, str]) -> str:
    parts = []
    for name, words in found.items():
        values = [value for value in column(rows, name) if value is not None]
        parts.append(f"{words} from {short(values[0], 3)} to {short(values[-1], 3)}")
    return f"{title}: {'; '.join(parts)}."
