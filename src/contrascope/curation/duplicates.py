"""Pictures that stand twice in a folder, or in two: by their pixels, and by what an encoder makes of them."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from contrascope.curation.recognised import Recognised, correlations, recognised
from contrascope.curation.rows import NamedRows, encoder_of, other_rows, other_split, rows_of
from contrascope.curation.search import near_rows
from contrascope.data.imageset import ImageSet
from contrascope.diagnosis.checks.near_copies import SAME, SIDE, farthest_copy, small_rows
from contrascope.errors import InputError
from contrascope.linalg import nearest
from contrascope.precision import single_precision
from contrascope.progress import Progress, silent
from contrascope.subjects.subject import Subject

Kind = Literal["same picture", "alike"]
"""Equal pixels but for 0.5 % of the variance; or as near, for the encoder and in pixels, as slightly changed copies."""
Found = dict[tuple[int, int], "Pair"]
Small = tuple[Tensor, Tensor]
ASKED = 16
"""Neighbours of every image that are looked at: larger groups hang together through their first ones."""
OF_ARRAYS = 0.9999
"""Cosine from which rows without images are called alike, unless another is asked for: equal up to rounding."""
ROUNDING = 1e-6
"""Squared distance that equal pictures may have, pixels in [0, 1]."""
BATCH = 512


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two pictures that are one."""

    first: int
    """Row of the set."""
    second: int
    """Row of the same set, a higher one; or of the other set."""
    kind: Kind
    """Which rule found it; the same picture where both did."""
    similarity: float
    """Cosine of the two encoder outputs, -1 to 1."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """What stands twice."""

    rows: NamedRows
    """The set."""
    other: NamedRows | None
    """The second set, where two were compared."""
    pairs: tuple[Pair, ...]
    """The same pictures first, then by falling similarity."""
    groups: tuple[tuple[int, ...], ...]
    """Rows of the set that hang together by pairs, the largest group first; empty for two sets."""
    rules: tuple[str, ...]
    """What counts as a duplicate, a sentence each."""

    @property
    def spare(self) -> int:
        """Images that could go: of every group all but one; of two sets those of the first that the other has."""
        if self.other is not None:
            return len({pair.first for pair in self.pairs})
        return sum(len(group) - 1 for group in self.groups)


@single_precision()
def find_duplicates(
    subject: Subject,
    *,
    against: Any = None,
    against_split: str | None = None,
    similarity: float | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: Progress = silent,
) -> Duplicates:
    """Duplicates among a subject's images, or between them and a second set.

    `against`: other images, or rows of a file beside rows of a file; `against_split`: another split of the same images.
    `similarity`: cosine from which two images are called alike, whatever their pixels; unset: as near as slightly
    changed copies stay for this encoder and in pixels (`recognised`).
    """
    if against is not None and against_split is not None:
        raise InputError("against and against_split name two second sets. Leave one out.")
    if similarity is not None and not -1 < similarity <= 1:
        raise InputError(f"similarity is {similarity}; expected a cosine above -1, at most 1.")
    second = other_split(subject, against_split) if against_split is not None else against
    rows = rows_of(subject, device=device, progress=progress)
    other = None if second is None else other_rows(subject, second, device=device, progress=progress)
    known = None
    if similarity is None and rows.images is not None:
        known = recognised(encoder_of(subject, device), rows, seed=seed, device=subject.device(device))
    small = _both_small(rows, other)
    pairs = _alike(rows, other, small, known, similarity or OF_ARRAYS) | _same(rows, other, small)
    found = sorted(
        pairs.values(), key=lambda pair: (pair.kind != "same picture", -pair.similarity, pair.first)
    )
    return Duplicates(
        rows=rows,
        other=other,
        pairs=tuple(found),
        groups=() if other is not None else grouped(found, len(rows)),
        rules=_rules(rows, similarity, known),
    )


def grouped(pairs: list[Pair], count: int) -> tuple[tuple[int, ...], ...]:
    """Rows that hang together, the largest group first.

    >>> pairs = [Pair(first=a, second=b, kind="alike", similarity=1.0) for a, b in ((0, 3), (3, 4), (1, 5))]
    >>> grouped(pairs, 6)
    ((0, 3, 4), (1, 5))
    """
    first, second = (
        np.array([getattr(pair, end) for pair in pairs], dtype=int) for end in ("first", "second")
    )
    _, of = connected_components(coo_array((np.ones(len(pairs)), (first, second)), shape=(count, count)))
    members: dict[int, list[int]] = {}
    for row in sorted({*first.tolist(), *second.tolist()}):
        members.setdefault(int(of[row]), []).append(row)
    return tuple(sorted(map(tuple, members.values()), key=lambda group: (-len(group), group)))


def _alike(
    rows: NamedRows, other: NamedRows | None, small: Small | None, known: Recognised | None, least: float
) -> Found:
    second = rows if other is None else other
    near = near_rows(rows.h, second.h, ASKED, exclude_self=other is None)
    if known is None:
        return _pairs(near.value >= least, near.index, near.value, kind="alike", ordered=other is None)
    close = near.value >= known.cosine
    if small is not None:
        close &= correlations(*small, near.index) >= known.correlation
    return _pairs(close, near.index, near.value, kind="alike", ordered=other is None)


def _same(rows: NamedRows, other: NamedRows | None, small: Small | None) -> Found:
    """Pairs of near copies by the pixels of small pictures."""
    if small is None:
        return {}
    mine, theirs = small
    count = min(ASKED, len(theirs) - int(other is None))
    most = farthest_copy(mine if other is None else torch.cat([mine, theirs]))
    near = nearest(mine, theirs, count, metric="euclidean", exclude_self=other is None)
    second = rows.h if other is None else other.h
    cosine = [torch.cosine_similarity(rows.h, second[place], dim=1) for place in near.index.unbind(dim=1)]
    close = near.value.double().square() <= max(most, ROUNDING)
    return _pairs(close, near.index, torch.stack(cosine, dim=1), kind="same picture", ordered=other is None)


def _both_small(rows: NamedRows, other: NamedRows | None) -> Small | None:
    """Small pictures of both sets; None where there are no images, or only one of the sets is gray."""
    if rows.images is None or (other is not None and other.images is None):
        return None
    mine = small_of(rows.images)
    theirs = mine if other is None or other.images is None else small_of(other.images)
    return (mine, theirs) if mine.shape[1] == theirs.shape[1] else None


def copy_groups(rows: NamedRows) -> Int[Tensor, " n"]:
    """A number for every row that its near copies share, by pixels alone."""
    pairs = list(_same(rows, None, _both_small(rows, None)).values())
    number = torch.arange(len(rows))
    for group in grouped(pairs, len(rows)):
        number[list(group)] = group[0]
    return number


def small_of(images: ImageSet) -> Float[Tensor, "n dim"]:
    """`small_rows` of a whole set, pixels in [0, 1], a batch at a time."""
    batches = images.batches(torch.arange(len(images)), BATCH)
    return torch.cat([small_rows(pixels.float() / 255) for _, pixels in batches])


def _pairs(close: Tensor, index: Int[Tensor, "n near"], value: Tensor, *, kind: Kind, ordered: bool) -> Found:
    found: Found = {}
    for row, place in close.nonzero().tolist():
        ends = (row, int(index[row, place]))
        ends = (min(ends), max(ends)) if ordered else ends
        found[ends] = Pair(first=ends[0], second=ends[1], kind=kind, similarity=float(value[row, place]))
    return found


def _rules(rows: NamedRows, similarity: float | None, known: Recognised | None) -> tuple[str, ...]:
    same = (
        f"same picture: as pictures of {SIDE} px they differ by at most {100 * SAME:g} % of the mean variance of a "
        "pixel."
    )
    if similarity is not None:
        alike = f"alike: cosine of at least {similarity:g}, as asked."
    elif known is not None:
        alike = known.words
    else:
        alike = f"alike: cosine of at least {OF_ARRAYS:g}, equal up to rounding; --similarity takes another."
    return (alike,) if rows.images is None else (same, alike)
