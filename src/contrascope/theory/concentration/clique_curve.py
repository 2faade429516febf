"""Largest cliques of one distance matrix along rising thresholds, each bracketed, the whole monotone."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from contrascope.theory.concentration.clique_colouring import (
    bit_rows,
    colour_classes,
    core_order,
    fewer_classes,
    inside_core,
    peeled_bound,
)
from contrascope.theory.concentration.clique_search import largest_found
from contrascope.theory.concentration.cliques import greedy_clique
from contrascope.theory.concentration.max_clique import max_clique

SEARCH_SHARE = 0.3
"""Share of the time for large cliques; the rest goes to proofs that there are no larger ones."""

SMALL = 100
"""Images up to which branch and bound needs no search before it."""

COVER_PATIENCE, PATIENCE = 30, 200
"""Colourings in a row that are no better, of all vertices and of those that matter, before another way is tried."""

BRANCH_MOST = 1500
"""Vertices left after reduction above which branch and bound is not tried: it would not get past its root."""


@dataclass(frozen=True, kw_only=True)
class CliqueCurve:
    """Brackets of the largest clique at every threshold; both ends rise with it."""

    cliques: tuple[tuple[int, ...], ...]
    """The largest clique found at each threshold."""
    upper: tuple[int, ...]
    """No clique at this threshold has more members; proved."""


def clique_curve(
    distance: Float[np.ndarray, "n n"], deltas: Sequence[float], *, seconds: float | int = 10.0, seed: int = 0
) -> CliqueCurve:
    """Largest sets of images pairwise within each of the rising `deltas`, by search and by proof.

    From below: greedy cliques, the clique of the threshold before (still one), and tabu search. From above:
    vertices with too few neighbours for a larger clique are left out, the others are coloured, and branch and
    bound decides small rests. A bound at one threshold holds at all smaller ones. The time is shared; with
    more of it brackets only narrow (up to chance). Central images come first inside, which colours better.

    >>> line = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    >>> clique_curve(line, [0.5, 1.0, 2.5]).upper
    (1, 2, 3)
    """
    start = time.monotonic()
    order = distance.sum(axis=1).argsort(kind="stable")
    distance = distance[np.ix_(order, order)]
    share = SEARCH_SHARE if len(distance) > SMALL else 0.0
    cliques = _search(distance, deltas, seconds=share * seconds, seed=seed)
    upper = [len(distance)] * len(deltas)
    classes: list[int] | None = None
    for level in reversed(range(len(deltas))):
        most = upper[level + 1] if level + 1 < len(deltas) else len(distance)
        upper[level] = most
        if len(cliques[level]) == most:
            continue
        near = _graph(distance, deltas[level])
        left = (seconds - (time.monotonic() - start)) / (level + 1)
        cliques[level], proved, classes = _prove(near, cliques[level], classes, seconds=max(left, 0.0))
        upper[level] = min(most, proved)
    for level in range(1, len(deltas)):
        cliques[level] = max(cliques[level - 1], cliques[level], key=len)
    named = tuple(tuple(sorted(order[clique].tolist())) for clique in cliques)
    return CliqueCurve(cliques=named, upper=tuple(upper))


def _graph(distance: np.ndarray, delta: float) -> Bool[np.ndarray, "n n"]:
    near = distance <= delta
    np.fill_diagonal(near, False)
    return near


def _search(
    distance: np.ndarray, deltas: Sequence[float], *, seconds: float | int, seed: int
) -> list[list[int]]:
    """Upwards each threshold starts from the clique of the one before, downwards from that of the next."""
    cliques: list[list[int]] = []
    until = time.monotonic() + seconds
    between = torch.from_numpy(distance)
    for level, delta in enumerate(deltas):
        starts = [greedy_clique(between, delta).tolist(), *cliques[-1:]]
        left = (until - time.monotonic()) / (2 * len(deltas) - level)
        cliques.append(
            largest_found(
                _graph(distance, delta), starts, seconds=max(left, 0.0), enough=len(distance), seed=seed
            )
        )
    for level in reversed(range(len(deltas) - 1)):
        left = (until - time.monotonic()) / (level + 1)
        near = _graph(distance, deltas[level])
        starts = [cliques[level + 1], cliques[level]]
        cliques[level] = largest_found(near, starts, seconds=max(left, 0.0), enough=len(distance), seed=seed)
    return cliques


def _prove(
    near: np.ndarray, clique: list[int], before: list[int] | None, *, seconds: float | int
) -> tuple[list[int], int, list[int] | None]:
    """A clique at least as large, an upper bound, and the colouring to start the next threshold from.

    `before` covers all vertices by sets that are far apart at a larger threshold, hence here too.
    """
    until = time.monotonic() + seconds
    kept = inside_core(near, len(clique))
    if len(kept) == 0:
        return clique, len(clique), before
    far = bit_rows(~near & ~np.eye(len(near), dtype=bool))
    order = core_order(near)[0].tolist()
    cover = colour_classes(far, (1 << len(near)) - 1, before or [1 << vertex for vertex in order[::-1]])
    cover = fewer_classes(
        far, cover, seconds=seconds / 8, enough=len(clique), patience=min(COVER_PATIENCE, len(near) // 4)
    )
    inside = sum(1 << vertex for vertex in kept.tolist())
    parts = [part for part in (part & inside for part in cover) if part]
    rest = until - time.monotonic()
    parts = fewer_classes(
        far, parts, seconds=rest / 4, enough=len(clique), patience=min(PATIENCE, len(kept) // 4)
    )
    upper = max(len(clique), len(parts))
    if upper > len(clique) and len(kept) <= BRANCH_MOST:
        clique, proved = _branch(near, kept, clique, seconds=(until - time.monotonic()) / 2)
        upper = max(len(clique), min(upper, proved))
    if upper > len(clique):
        parts = fewer_classes(far, parts, seconds=(until - time.monotonic()) / 2, enough=upper - 1)
        order = [vertex for vertex in order if inside >> vertex & 1]
        rest = until - time.monotonic()
        peeled = peeled_bound(bit_rows(near), far, order, parts, known=len(clique), seconds=rest)
        upper = min(upper, peeled)
    return clique, upper, cover


def _branch(
    near: np.ndarray, kept: np.ndarray, clique: list[int], *, seconds: float | int
) -> tuple[list[int], int]:
    """Branch and bound on the vertices that a larger clique must lie in."""
    place = {int(vertex): number for number, vertex in enumerate(kept)}
    known = tuple(place[vertex] for vertex in clique if vertex in place) or (0,)
    found = max_clique(near[np.ix_(kept, kept)], seconds=seconds, known=known)
    members = [int(kept[member]) for member in found.members]
    return max(clique, sorted(members), key=len), found.upper
