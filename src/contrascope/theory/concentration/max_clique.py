"""Branch and bound for the largest clique, with what it has proved so far when the time is over."""

import time
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from contrascope.theory.concentration.clique_colouring import (
    BitRows,
    bit_rows,
    colour_classes,
    core_order,
    members_of,
)

CHECK = 64
"""Nodes between two looks at the clock."""


@dataclass(frozen=True, kw_only=True)
class CliqueBracket:
    """What is known of the largest clique of a graph."""

    members: tuple[int, ...]
    """The largest clique found, rising."""
    upper: int
    """No clique has more vertices; proved."""

    @property
    def exact(self) -> bool:
        """Whether the clique is proved to be a largest one."""
        return len(self.members) == self.upper


def max_clique(
    near: Bool[np.ndarray, "n n"], *, seconds: float | int = 10.0, known: tuple[int, ...] = (0,)
) -> CliqueBracket:
    """The largest clique of a graph, or a bracket of its size when the time is over.

    Branch and bound over bit sets in degeneracy order, subproblems bounded by greedy colouring with recolouring
    (San Segundo et al. 2011, BBMC; Tomita et al. 2010, MCS). `known` is a clique to start from. Vertices are
    tried from the highest colour down, so an interrupted search has proved the colour it has come down to.

    >>> path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    >>> max_clique(path).upper, max_clique(path).exact
    (2, True)
    """
    order = core_order(near)[0][::-1]
    graph = near[np.ix_(order, order)]
    rows = bit_rows(graph)
    far = bit_rows(~graph & ~np.eye(len(near), dtype=bool))
    place = np.argsort(order)
    search = _Search(rows=rows, far=far, best=[int(place[member]) for member in known])
    upper = search.run(time.monotonic() + seconds)
    return CliqueBracket(members=tuple(sorted(int(order[member]) for member in search.best)), upper=upper)


@dataclass
class _Frame:
    """One node: vertices still to try, with the colours that bound what they lead to."""

    left: int
    order: list[int]
    colours: list[int]


@dataclass
class _Search:
    rows: BitRows
    far: BitRows
    best: list[int]
    path: list[int] = field(default_factory=list)

    def run(self, until: float) -> int:
        """Improves `best`; the proved upper bound."""
        everything = (1 << len(self.rows)) - 1
        cover = len(colour_classes(self.far, everything))
        stack, nodes = [self._frame(everything)], 0
        while stack:
            nodes += 1
            if nodes % CHECK == 0 and time.monotonic() > until:
                root = stack[0]
                # the branch under way belongs to the last vertex taken, whose colour is the bound
                return max(len(self.best), min(cover, root.colours[len(root.order)]))
            frame = stack[-1]
            if not frame.order or len(self.path) + frame.colours[len(frame.order) - 1] <= len(self.best):
                stack.pop()
                if stack:
                    self.path.pop()
                continue
            vertex = frame.order.pop()
            frame.left &= ~(1 << vertex)
            candidates = frame.left & self.rows[vertex]
            self.path.append(vertex)
            if len(self.path) > len(self.best):
                self.best = list(self.path)
            stack.append(self._frame(candidates))
        return len(self.best)

    def _frame(self, vertices: int) -> _Frame:
        """Candidates that could beat the best clique, by rising colour; the others need not be tried."""
        least = len(self.best) - len(self.path)
        order: list[int] = []
        colours: list[int] = []
        classes: list[int] = []
        left = vertices
        while left:
            room, part = left, 0
            while room:
                low = room & -room
                part |= low
                room &= self.far[low.bit_length() - 1]
            left &= ~part
            if len(classes) < least:
                classes.append(part)
                continue
            part = self._recoloured(part, classes, least)
            if part:
                members = members_of(part)
                order += members
                classes.append(part)
                colours += [max(len(classes), least + 1)] * len(members)
        return _Frame(left=vertices, order=order, colours=colours)

    def _recoloured(self, part: int, classes: list[int], least: int) -> int:
        """What is left of a set after moving vertices into the first `least` sets, which lead nowhere."""
        for vertex in members_of(part):
            if self._moved(vertex, classes, least):
                part &= ~(1 << vertex)
        return part

    def _moved(self, vertex: int, classes: list[int], least: int) -> bool:
        """Whether one exchange makes room for the vertex in one of the first `least` sets."""
        for one in range(least):
            clash = classes[one] & self.rows[vertex]
            if clash & (clash - 1):
                continue
            if clash:
                other = clash.bit_length() - 1
                for two in range(least):
                    if two != one and not classes[two] & self.rows[other]:
                        classes[two] |= clash
                        break
                else:
                    continue
            classes[one] = classes[one] & ~clash | (1 << vertex)
            return True
        return False
