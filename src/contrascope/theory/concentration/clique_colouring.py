"""Graphs as bit sets, and what no clique can exceed: the number of classes of a colouring, the core number."""

import random
import time

import numpy as np
from jaxtyping import Bool

BitRows = list[int]
"""One integer a vertex; bit j of entry i belongs to the pair (i, j)."""


def bit_rows(matrix: Bool[np.ndarray, "n n"]) -> BitRows:
    """The rows of a matrix as integers.

    >>> bit_rows(np.array([[False, True], [True, False]]))
    [2, 1]
    """
    packed = np.packbits(matrix, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def members_of(bits: int) -> list[int]:
    """Positions of the ones, rising.

    >>> members_of(0b1010)
    [1, 3]
    """
    members = []
    while bits:
        low = bits & -bits
        members.append(low.bit_length() - 1)
        bits ^= low
    return members


def core_order(near: Bool[np.ndarray, "n n"]) -> tuple[np.ndarray, int]:
    """Vertices in the order in which the one with fewest neighbours left goes; largest clique by that bound.

    Every clique has at most one vertex more than the largest number of neighbours left at a removal
    (degeneracy plus one).

    >>> core_order(np.ones((3, 3), dtype=bool) ^ np.eye(3, dtype=bool))[1]
    3
    """
    count = len(near)
    degree = near.sum(axis=1).astype(np.int64)
    order, most = np.empty(count, dtype=np.int64), 0
    for place in range(count):
        vertex = int(degree.argmin())
        most = max(most, int(degree[vertex]))
        order[place] = vertex
        degree -= near[vertex]
        degree[vertex] = np.iinfo(np.int64).max // 2
    return order, most + 1


def inside_core(near: Bool[np.ndarray, "n n"], neighbours: int) -> np.ndarray:
    """The largest set in which every vertex has at least so many neighbours, rising; may be empty.

    A clique of `neighbours` + 1 vertices lies inside it.

    >>> inside_core(np.eye(3, dtype=bool)[[1, 0, 2]] & ~np.eye(3, dtype=bool), 1).tolist()
    [0, 1]
    """
    kept = np.ones(len(near), dtype=bool)
    while True:
        drop = kept & (near[:, kept].sum(axis=1) < neighbours)
        if not drop.any():
            return np.flatnonzero(kept)
        kept &= ~drop


def colour_classes(far: BitRows, vertices: int, before: list[int] | None = None) -> list[int]:
    """Greedy cover of `vertices` (bits) by sets without an edge; at most as many as `before` covers it with.

    `far[i]` holds the vertices that are no neighbours of i, without i. Each set of `before`, in its order, is
    the start of a new set, which is then filled up. No clique has more vertices than there are sets.

    >>> [members_of(part) for part in colour_classes([0b100, 0, 0b001], 0b111)]
    [[0, 2], [1]]
    """
    left, classes = vertices, []
    starts = iter(before or ())
    while left:
        part = 0
        for start in starts:
            part = start & left
            if part:
                break
        room, rest = left & ~part, part
        while rest:
            low = rest & -rest
            rest ^= low
            room &= far[low.bit_length() - 1]
        while room:
            low = room & -room
            part |= low
            room &= far[low.bit_length() - 1]
        left &= ~part
        classes.append(part)
    return classes


def fewer_classes(
    far: BitRows,
    classes: list[int],
    *,
    seconds: float | int,
    enough: int = 1,
    patience: int | None = None,
    seed: int = 0,
) -> list[int]:
    """Fewer sets by colouring again and again in another order of the sets, which never needs more.

    Culberson's iterated greedy. Stops at `enough` sets, when the time is over, or after `patience` colourings in a
    row that were no better.

    >>> len(fewer_classes([0b10, 0b01], [0b01, 0b10], seconds=0.1))
    1
    """
    source = random.Random(seed)
    everything = 0
    for part in classes:
        everything |= part
    best, until, same = classes, time.monotonic() + seconds, 0
    while len(best) > enough and time.monotonic() < until and (patience is None or same < patience):
        order = list(best)
        kind = source.random()
        if kind < 0.5:
            order.reverse()
        elif kind < 0.8:
            order.sort(key=int.bit_count, reverse=True)
        else:
            source.shuffle(order)
        last, best = len(best), colour_classes(far, everything, order)
        same = same + 1 if len(best) == last else 0
    return best


def peeled_bound(
    rows: BitRows, far: BitRows, order: list[int], classes: list[int], *, known: int, seconds: float | int
) -> int:
    """Bound of the largest clique by its first vertex in `order`: 1 plus the colours of its later neighbours.

    At least `known`, the size of a clique that is there, and at most the number of `classes`, which cover all
    vertices of `order`. Vertices whose later neighbours are too few cost nothing; the others are coloured anew.
    Stops when what is left has no more colours than the bound, or when the time is over.

    >>> peeled_bound([0b10, 0b01], [0, 0], [0, 1], [0b01, 0b10], known=1, seconds=1.0)
    2
    """
    until, bound, left = time.monotonic() + seconds, known, 0
    for part in classes:
        left |= part
    for place, vertex in enumerate(order):
        rest = sum(1 for part in classes if part & left)
        now = time.monotonic()
        if rest <= bound or now > until:
            return max(bound, rest)
        left &= ~(1 << vertex)
        inside = left & rows[vertex]
        if inside.bit_count() < bound:
            continue
        parts = [part & inside for part in classes if part & inside]
        share = (until - now) / (len(order) - place)
        parts = fewer_classes(far, parts, seconds=share, enough=max(1, bound - 1))
        bound = max(bound, 1 + len(parts))
    return bound
