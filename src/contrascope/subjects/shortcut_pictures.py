"""What an encoder confuses that may rest on a shortcut, in pictures: of the very views that decided."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Float64, Int
from torch import Tensor

from contrascope.data.pictures.thumbnails import Thumbnails, picture_name, thumbnail_side
from contrascope.diagnosis.exhibits import Exhibits, ShownRows
from contrascope.diagnosis.learning_signals import bait_cosines
from contrascope.diagnosis.statistics import polynomial
from contrascope.diagnosis.verdict import Answer
from contrascope.linalg import nearest, unit_rows
from contrascope.records.shortcut import COLOURS, STATISTICS, ShortcutEntry
from contrascope.records.typed import as_part
from contrascope.records.vocabulary import LearningWord

MOST = 6
"""Rows that are shown."""


@dataclass(frozen=True, kw_only=True)
class ConfusedViews:
    """First views of images, each with a decoy and the second view of the same image; the clearest ones first."""

    images: Int[Tensor, " rows"]
    """Places of the images."""
    decoys: Int[Tensor, " rows"]
    """Of the decoys: among the shuffled copies, or among the second views."""
    decoy_cosine: Float64[Tensor, " rows"]
    """Of the first view with its decoy, in the encoder."""
    other_cosine: Float64[Tensor, " rows"]
    """Of the first view with the second one."""
    nearer: int
    """Images in all whose view lies at least as near to its decoy as to the second view."""
    of: int
    """Images that were looked at."""


def shortcut_pictures(
    answer: Answer[LearningWord], names: tuple[str, ...], exhibited: Exhibits, shown: ShownRows
) -> ShortcutEntry | None:
    """Pictures of what the encoder confuses, up to six rows; None where the answer is no shortcut.

    `names`: of all images, as the set calls them.
    """
    if answer.word != "may rest on a shortcut" or answer.reason not in (COLOURS, STATISTICS):
        return None
    colours = answer.reason == COLOURS
    called = [picture_name(name) for name in names]
    found = near_own_pixels(shown, exhibited) if colours else near_alike(shown, exhibited)
    own = exhibited.own
    decoys = exhibited.shuffled if colours else own
    thumbnails = Thumbnails(thumbnail_side(*own.images.shape[3:]))
    rows = []
    for row, (image, decoy) in enumerate(zip(found.images.tolist(), found.decoys.tolist(), strict=True)):
        nearby = called[image if colours else decoy]
        asked = (
            ("view", own, (0, image), called[image], None),
            ("decoy", decoys, (0 if colours else 1, decoy), nearby, float(found.decoy_cosine[row])),
            ("other", own, (1, image), called[image], float(found.other_cosine[row])),
        )
        rows.append(
            {
                key: {
                    "tile": thumbnails.put(views.images[place]),
                    "name": name,
                    "cosine": None if cosine is None else round(cosine, 4),
                    "look": None if colours else _look(views.statistics[place]),
                }
                for key, views, place, name, cosine in asked
            }
        )
    counts = {"reason": answer.reason, "nearer": found.nearer, "images": found.of}
    return as_part(ShortcutEntry, {**counts, "rows": rows, "sheets": thumbnails.sheets()})


def near_own_pixels(shown: ShownRows, exhibited: Exhibits) -> ConfusedViews:
    """Images whose view lies nearer to its own pixels in random order than to the other view, by the margin."""
    decoy, other = bait_cosines(shown, exhibited)
    order = (decoy - other).argsort(descending=True, stable=True)
    nearer = decoy >= other
    kept = order[nearer[order]][:MOST]
    return ConfusedViews(
        images=exhibited.chosen[kept],
        decoys=kept,
        decoy_cosine=decoy[kept],
        other_cosine=other[kept],
        nearer=int(nearer.sum()),
        of=len(decoy),
    )


def near_alike(shown: ShownRows, exhibited: Exhibits) -> ConfusedViews:
    """Images whose nearest second view of another image is most alike in mean, contrast and sharpness.

    Nearest in the encoder, by cosine; alike by the distance of the statistics, each over its standard deviation.
    """
    view, second = (unit_rows(shown.h[place].double()) for place in (0, 1))
    found = nearest(view, second, 1, exclude_self=True).index[:, 0]
    cosine, other = (view * second[found]).sum(dim=1), (view * second).sum(dim=1)
    first_look, second_look = _standardised(exhibited.own.statistics[:2])
    kept = (first_look - second_look[found]).norm(dim=1).argsort(stable=True)[:MOST]
    return ConfusedViews(
        images=kept,
        decoys=found[kept],
        decoy_cosine=cosine[kept],
        other_cosine=other[kept],
        nearer=int((cosine >= other).sum()),
        of=len(view),
    )


def _standardised(statistics: Float[Tensor, "two n statistics"]) -> Float64[Tensor, "two n statistics"]:
    flat = polynomial(statistics.flatten(0, 1))[:, : statistics.shape[2]]
    return flat.view(statistics.shape)


def _look(statistics: Float[Tensor, " statistics"]) -> dict[str, Any]:
    """Mean and contrast of each channel, and the sharpness, as `image_statistics` orders them."""
    numbers = [round(value, 3) for value in statistics.tolist()]
    channels = len(numbers) // 2
    return {"mean": numbers[:channels], "contrast": numbers[channels:-1], "sharpness": numbers[-1]}
