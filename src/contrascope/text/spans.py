"""Spans of documents as DeCLUTR draws them: anchors far apart, positives near their anchor."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.draws import DrawKey, uniform
from contrascope.errors import InputError
from contrascope.text.packed import TextRows
from contrascope.text.settings import SpanSettings

ANCHOR, POSITIVE = "anchor", "positive"
"""Roles of spans."""
BETA = 5
"""Uniform numbers of which one is kept by size: the fourth has the law Beta(4, 2), the second Beta(2, 4)."""


class SpanPlaces(NamedTuple):
    """Where spans lie in their documents."""

    starts: Int[Tensor, "spans batch"]
    lengths: Int[Tensor, "spans batch"]


def draw_spans(
    key: DrawKey, lengths: Int[Tensor, " batch"], settings: SpanSettings
) -> tuple[SpanPlaces, SpanPlaces]:
    """Anchors [anchors batch], and positives [anchors x positives batch], those of the first anchor first.

    Lengths are whole parts of Beta(4, 2) for anchors and Beta(2, 4) for positives, stretched from the shortest to the
    longest. An anchor begins anywhere in a block of a grid of step `longest`; the block and its neighbours are closed
    to later ones. Raises `InputError` for a document of fewer than 2 x anchors x longest tokens.
    """
    least = 2 * settings.anchors * settings.longest
    if len(lengths) and int(lengths.min()) < least:
        raise InputError(
            f"a document has {int(lengths.min())} tokens; {settings.anchors} anchors of at most {settings.longest} ask "
            f"for {least}. Lower method.spans.longest or method.spans.anchors, or leave short documents out."
        )
    blocks = int(lengths.max()) // settings.longest if len(lengths) else 1
    per_anchor = BETA + 1 + settings.positives * (BETA + 1)
    numbers = uniform(key, settings.anchors * per_anchor + settings.anchors * blocks)
    taken = numbers[:, : settings.anchors * per_anchor].view(len(lengths), settings.anchors, per_anchor)
    choice = numbers[:, settings.anchors * per_anchor :].view(len(lengths), blocks, settings.anchors)
    free = torch.arange(blocks, device=lengths.device) < (lengths // settings.longest)[:, None]
    anchors, positives = [], []
    for number in range(settings.anchors):
        mine = taken[:, number]
        block = choice[:, :, number].masked_fill(~free, 2.0).argmin(dim=1)
        free &= (torch.arange(blocks, device=lengths.device) - block[:, None]).abs() > 1
        long = _length(mine[:, :BETA], 4, settings)
        low = block * settings.longest
        high = (low + settings.longest - 1).minimum(lengths - long)
        start = low + (mine[:, BETA] * (high - low + 1)).long()
        anchors.append((start, long))
        positives += [
            _positive(some, start, long, lengths, settings)
            for some in mine[:, BETA + 1 :].split(BETA + 1, dim=1)
        ]
    return _places(anchors), _places(positives)


def span_rows(rows: TextRows, starts: Int[Tensor, " batch"], lengths: Int[Tensor, " batch"]) -> TextRows:
    """One span of each document."""
    place = starts[:, None] + torch.arange(int(lengths.max()), device=starts.device)
    return rows.ordered(place.clamp_max(rows.ids.shape[1] - 1), lengths)


def _length(numbers: Float[Tensor, "batch five"], nth: int, settings: SpanSettings) -> Int[Tensor, " batch"]:
    share = numbers.sort(dim=1).values[:, nth - 1]
    return (share * (settings.longest - settings.shortest)).long() + settings.shortest


def _positive(
    numbers: Float[Tensor, "batch six"],
    start: Int[Tensor, " batch"],
    long: Int[Tensor, " batch"],
    lengths: Int[Tensor, " batch"],
    settings: SpanSettings,
) -> tuple[Tensor, Tensor]:
    mine = _length(numbers[:, :BETA], 2, settings)
    if settings.where == "subsuming":
        mine = mine.minimum(long)
    last = lengths - mine
    low, high = (start - mine).clamp_min(0), (start + long).minimum(last)
    if settings.where == "subsuming":
        low, high = start, start + long - mine
    drawn = numbers[:, BETA]
    if settings.where == "adjacent":
        before, after = start - mine, start + long
        take_before = ((drawn < 0.5) & (before >= 0)) | (after > last)
        return torch.where(take_before, before.clamp_min(0), after.minimum(last)), mine
    return low + (drawn * (high - low + 1)).long(), mine


def _places(found: list[tuple[Tensor, Tensor]]) -> SpanPlaces:
    return SpanPlaces(torch.stack([one for one, _ in found]), torch.stack([one for _, one in found]))
