"""Large cliques by local search: what the largest one cannot fall below."""

import time

import numpy as np
from jaxtyping import Bool

TABU = 7
"""Steps for which a vertex that left stays out, and as many more by chance."""

STALE = 400
"""Steps without a new best clique after which some vertices are thrown out."""

PATIENCE = 8
"""A walk ends after this many steps a vertex without a new best clique."""


def largest_found(
    near: Bool[np.ndarray, "n n"],
    starts: list[list[int]],
    *,
    seconds: float | int,
    enough: int | None = None,
    seed: int = 0,
) -> list[int]:
    """The largest clique that a tabu search finds from the given ones, rising; at least the largest start.

    Adds a vertex where one fits, else exchanges one for another (a member for the only vertex it keeps out),
    else drops one. A start that is no clique loses the members with the most conflicts first. Stops at
    `enough` vertices, when the time is over, or when nothing better came for long.

    >>> path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    >>> len(largest_found(path, [[0]], seconds=0.01))
    2
    """
    far = (~near).astype(np.int16)
    np.fill_diagonal(far, 0)
    until, best = time.monotonic() + seconds, []
    cliques = sorted((repaired(far, start) for start in starts), key=len, reverse=True) or [[0]]
    for number, start in enumerate(cliques):
        left = until - time.monotonic()
        walk = _Walk(far, start, np.random.default_rng([seed, number]))
        walk.run(left / (len(cliques) - number), len(near) if enough is None else enough)
        best = max(best, walk.best, key=len)
        if enough is not None and len(best) >= enough:
            break
    return sorted(best)


def repaired(far: np.ndarray, members: list[int]) -> list[int]:
    """Members without those that conflict most, one by one until none do, then filled up greedily.

    >>> repaired(np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], dtype=np.int16), [0, 1, 2])
    [1, 2]
    """
    kept = np.array(members, dtype=np.int64)
    clash = far[np.ix_(kept, kept)].sum(axis=1)
    while len(kept) and clash.max() > 0:
        worst = int(clash.argmax())
        clash = np.delete(clash - far[kept[worst], kept], worst)
        kept = np.delete(kept, worst)
    chosen = kept.tolist()
    missing = far[kept].sum(axis=0)
    missing[kept] = 1
    room = np.flatnonzero(missing == 0)
    while len(room):
        vertex = int(room[far[np.ix_(room, room)].sum(axis=1).argmin()])
        chosen.append(vertex)
        room = room[(far[vertex, room] == 0) & (room != vertex)]
    return chosen


class _Walk:
    """State of one search: who is in, how many members each vertex conflicts with, who must wait."""

    def __init__(self, far: np.ndarray, start: list[int], source: np.random.Generator) -> None:
        self.far, self.source, self.step = far, source, 0
        self.inside = np.zeros(len(far), dtype=bool)
        self.clash = np.zeros(len(far), dtype=np.int32)
        self.wait = np.zeros(len(far), dtype=np.int64)
        self.size = 0
        for vertex in start:
            self._add(vertex)
        self.best, self.fresh, self.found = list(start), 0, 0

    def run(self, seconds: float | int, enough: int) -> None:
        until, most = time.monotonic() + seconds, PATIENCE * len(self.far)
        while len(self.best) < enough and self.step - self.found < most:
            if self.step % 32 == 0 and time.monotonic() > until:
                break
            self.step += 1
            self._move()
            if self.size > len(self.best):
                self.best, self.fresh = np.flatnonzero(self.inside).tolist(), self.step
                self.found = self.step
            elif self.step - self.fresh > STALE:
                self._shake()

    def _move(self) -> None:
        free = ~self.inside & (self.wait <= self.step)
        fits = np.flatnonzero(free & (self.clash == 0))
        if len(fits):
            self._add(int(self.source.choice(fits)))
            return
        swaps = np.flatnonzero(free & (self.clash == 1))
        if len(swaps):
            vertex = int(self.source.choice(swaps))
            self._drop(int(np.flatnonzero(self.inside & (self.far[vertex] > 0))[0]))
            self._add(vertex)
        elif self.size:
            self._drop(int(self.source.choice(np.flatnonzero(self.inside))))

    def _shake(self) -> None:
        """A random outsider comes in, and all it conflicts with go."""
        self.fresh = self.step
        outside = np.flatnonzero(~self.inside)
        if len(outside) == 0:
            return
        vertex = int(self.source.choice(outside))
        for member in np.flatnonzero(self.inside & (self.far[vertex] > 0)).tolist():
            self._drop(member)
        self._add(vertex)

    def _add(self, vertex: int) -> None:
        self.inside[vertex] = True
        self.clash += self.far[vertex]
        self.size += 1

    def _drop(self, vertex: int) -> None:
        self.inside[vertex] = False
        self.clash -= self.far[vertex]
        self.size -= 1
        self.wait[vertex] = self.step + TABU + int(self.source.integers(TABU))
