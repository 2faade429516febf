"""What was found in a folder, as text for a terminal and for programs."""

import json
from typing import Any

from contrascope.curation.clusters import Clusters
from contrascope.curation.duplicates import Duplicates
from contrascope.curation.neighbours import NearImages
from contrascope.curation.outliers import Outliers
from contrascope.curation.predict import DO_NOT_KNOW, Predictions
from contrascope.curation.written import Findings
from contrascope.data.folders.layout import counted
from contrascope.data.folders.names import shown_name
from contrascope.evaluation.few.cross_validation import CrossValidated
from contrascope.intervals import Estimate
from contrascope.settings import to_json

TYPICAL = 3
"""Images that a cluster is shown by."""


def show_neighbours(found: NearImages) -> str:
    """A line a neighbour, the nearest first: similarity and path."""
    near = zip(found.index.tolist(), found.cosine.tolist(), strict=True)
    return "".join(f"{cosine:.4f}  {shown_name(found.rows.names[row])}\n" for row, cosine in near)


def neighbours_json(found: NearImages) -> str:
    """Query and neighbours."""
    near = zip(found.index.tolist(), found.cosine.tolist(), strict=True)
    return _json(
        {
            "query": found.query.names[0],
            "images": len(found.rows),
            "neighbours": [{"file": found.rows.names[row], "similarity": cosine} for row, cosine in near],
        }
    )


def show_duplicates(found: Duplicates, *, count: int) -> str:
    """How many there are, the first pairs, and the rules."""
    second = found.rows if found.other is None else found.other
    lines = [
        f"{pair.kind:<12}  {pair.similarity:.4f}  {shown_name(found.rows.names[pair.first])}  "
        f"{shown_name(second.names[pair.second])}"
        for pair in found.pairs[:count]
    ]
    if found.other is None:
        head = (
            f"{counted(len(found.pairs), 'pair')} in {counted(len(found.groups), 'group')} among {len(found.rows)} "
            f"images: without {found.spare} of them each would stand once."
        )
    else:
        mine, theirs = shown_name(found.rows.about), shown_name(found.other.about)
        head = (
            f"{counted(len(found.pairs), 'pair')}: {found.spare} of {len(found.rows)} images of {mine} are also in "
            f"{theirs} ({counted(len(found.other), 'image')})."
        )
    return _lines([head, *lines, *_more(len(found.pairs), count), *found.rules])


def duplicates_json(found: Duplicates) -> str:
    """Pairs, groups and rules."""
    second = found.rows if found.other is None else found.other
    pairs = [
        {
            "file": found.rows.names[pair.first],
            "like": second.names[pair.second],
            "kind": pair.kind,
            "similarity": pair.similarity,
        }
        for pair in found.pairs
    ]
    groups = [[found.rows.names[row] for row in group] for group in found.groups]
    return _json({"pairs": pairs, "groups": groups, "spare": found.spare, "rules": found.rules})


def show_outliers(found: Outliers, *, count: int) -> str:
    """How many are far out, and the farthest."""
    first = found.order[:count].tolist()
    lines = [
        f"{float(found.score[row]):.4f}  {'far out' if found.score[row] > found.fence else '       '}  "
        f"{shown_name(found.rows.names[row])}"
        for row in first
    ]
    return _lines([f"{found.far} of {len(found.rows)} images are far out.", *lines, found.rule])


def outliers_json(found: Outliers) -> str:
    """Every image with its score, the farthest first."""
    scored = zip(found.order.tolist(), found.score[found.order].tolist(), strict=True)
    rows = [
        {"file": found.rows.names[row], "score": score, "far_out": score > found.fence}
        for row, score in scored
    ]
    return _json({"images": rows, "far_out": found.far, "rule": found.rule})


def show_clusters(found: Clusters) -> str:
    """A line a group: its size and its most typical images."""
    lines = []
    for at, size in enumerate(found.sizes):
        names = (shown_name(found.rows.names[row]) for row in found.typical(at, TYPICAL).tolist())
        lines.append(f"{at:>3}  {size:>6} images  {', '.join(names)}{', ...' if size > TYPICAL else ''}")
    return _lines([f"{len(found.sizes)} clusters of {len(found.rows)} images.", *lines, f"{found.rule}."])


def clusters_json(found: Clusters) -> str:
    """Every image with its group."""
    rows = zip(found.rows.names, found.cluster.tolist(), found.cosine.tolist(), strict=True)
    images = [{"file": name, "cluster": cluster, "similarity": cosine} for name, cluster, cosine in rows]
    return _json({"images": images, "sizes": found.sizes, "rule": found.rule})


def show_tested(found: CrossValidated) -> str:
    """What the answers are worth: it stands before them."""
    alone = f", {found.alone} alone in their class" if found.alone else ""
    lines = [
        f"Cross-validated on {found.labels} labels of {found.classes} classes{alone}: {_share(found.accuracy)} of the "
        "guesses are right.",
        f"Confidence is {100 * found.calibration_error:.1f} points from the share of right guesses, on average.",
        f"Of images of these classes {_share(found.answered)} are answered"
        + ("." if found.right is None else f", and {_share(found.right)} of the answers are right."),
    ]
    if found.unlabelled is not None:
        lines.append(
            f'Of images of a class without labels {_share(found.unlabelled)} are answered "{DO_NOT_KNOW}" (each class '
            "left out in turn)."
        )
    return _lines(lines)


def show_predictions(found: Predictions) -> str:
    """How often each answer comes."""
    answers = found.answers()
    words = sorted(set(answers), key=lambda word: (word == DO_NOT_KNOW, -answers.count(word), word))
    counts = ", ".join(f"{shown_name(word)} {answers.count(word)}" for word in words)
    given = f"; {len(found.given)} of them are labelled" if found.given else ""
    return f"{len(answers)} images: {counts}{given}.\n"


def predictions_json(found: Predictions, written: str) -> str:
    """The test, and how often each answer comes."""
    answers = found.answers()
    counts = {word: answers.count(word) for word in dict.fromkeys(answers)}
    return _json({"tested": to_json(found.tested), "answers": counts, "table": written})


def show_written(found: Findings | None) -> str:
    """Where page and table lie."""
    if found is None:
        return "No page and no table were written; name a folder with --out.\n"
    return _lines([str(path) for path in (found.page, found.table) if path is not None])


def _share(part: Estimate) -> str:
    return f"{100 * part.value:.1f} % ({100 * part.low:.1f} to {100 * part.high:.1f})"


def _more(total: int, count: int) -> list[str]:
    return [f"... and {total - count} more; --count shows them, the table has all."] if total > count else []


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
